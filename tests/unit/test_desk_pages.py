"""What people see: the board, one alert, the dead man's switch; and no injection."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from desk.core import duration, safe_link
from tests.unit.test_desk_webhook import NOW, alert, desk, notification


def _get(client: FlaskClient, path: str = "/") -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def _post(client: FlaskClient, *alerts: dict[str, Any]) -> None:
    assert client.post("/alertmanager", json=notification(*alerts)).status_code == 204


def test_an_empty_board_says_so(tmp_path: Path) -> None:
    page = _get(desk(tmp_path))
    assert "Nothing pages. All is quiet." in page
    assert "Nothing has fired and ended yet." in page


def test_pages_stand_before_tickets_and_both_before_the_rest(tmp_path: Path) -> None:
    client = desk(tmp_path)
    for index, severity in enumerate(("strange", "ticket", "page")):
        _post(client, alert(f"A{index}", fingerprint=f"{index:016x}", severity=severity))
    page = _get(client)
    assert page.index(">A2<") < page.index(">A1<") < page.index(">A0<")
    names = [one["alertname"] for one in client.get("/api/pages").get_json()["current"]]
    assert names == ["A2", "A1", "A0"]


def test_a_page_shows_since_when_how_long_and_where_to_look(tmp_path: Path) -> None:
    client = desk(tmp_path)
    (tmp_path / "runbooks" / "TargetDown.md").write_text("# TargetDown\n")
    _post(client, alert("TargetDown", summary="web is down", dashboard_url="http://d.example/x"))
    page = _get(client)
    assert "web is down" in page
    assert "for 1 h, since" in page
    assert "2026-05-04 11:00:00 UTC" in page
    assert 'href="/runbooks/TargetDown"' in page
    assert 'href="http://d.example/x"' in page
    assert 'href="http://127.0.0.1:9090/graph?g0.expr=up"' in page
    assert 'href="http://127.0.0.1:9093"' in page


def test_a_runbook_that_the_desk_lacks_is_linked_where_the_alert_says(tmp_path: Path) -> None:
    client = desk(tmp_path)
    _post(client, alert("Foreign", runbook_url="https://books.example/Foreign"))
    assert 'href="https://books.example/Foreign"' in _get(client)


def test_markup_in_an_alert_is_shown_as_text(tmp_path: Path) -> None:
    client = desk(tmp_path)
    evil = '<img src=x onerror="alert(1)">'
    _post(client, alert("<script>alert(1)</script>", summary=evil, description=evil))
    for path in ("/", "/alerts/00000000000000aa", "/?q=<script>"):
        page = _get(client, path)
        assert "<img src=x" not in page
        assert "<script>" not in page
    assert "&lt;script&gt;alert(1)" in _get(client)


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " javascript:alert(1)",
        "java\tscript:alert(1)",
        "\x01javascript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "file:///etc/passwd",
        "//evil.example/x",
        "/\\evil.example",
        "http:",
        "http:///nowhere",
        "http://[::1",
        "",
    ],
)
def test_an_unsafe_address_never_becomes_a_link(tmp_path: Path, url: str) -> None:
    assert safe_link(url) is None
    client = desk(tmp_path)
    whole = alert("A", runbook_url=url, dashboard_url=url) | {"generatorURL": url}
    client.post("/alertmanager", json=notification(whole, externalURL=url))
    (page,) = client.get("/api/pages").get_json()["current"]
    links = {page[name] for name in ("runbook", "dashboard", "prometheus", "alertmanager")}
    assert links == {None}
    assert 'script:alert(1)"' not in _get(client)
    assert "no runbook" in _get(client)


@pytest.mark.parametrize(
    "url", ["http://a.example/x?y=1#z", "https://a.example", "/d/abc", "d/abc"]
)
def test_a_safe_address_becomes_a_link(url: str) -> None:
    assert safe_link(url) == url


def test_the_filter_takes_words_and_severity_and_says_what_it_hides(tmp_path: Path) -> None:
    client = desk(tmp_path)
    _post(client, alert("CacheDown", summary="Redis is gone"))
    _post(client, alert("TargetDown", fingerprint="b" * 16, severity="ticket"))
    redis = _get(client, "/?q=REDIS job=web")
    assert (">CacheDown<" in redis, ">TargetDown<" in redis) == (True, False)
    assert "The filter hides 1 of 2 that fire now." in redis
    tickets = _get(client, "/?severity=ticket")
    assert (">CacheDown<" in tickets, ">TargetDown<" in tickets) == (False, True)
    assert "Nothing that fires now matches the filter." in _get(client, "/?q=nowhere")


def test_the_board_refreshes_itself_without_javascript_until_paused(tmp_path: Path) -> None:
    client = desk(tmp_path, refresh_seconds=7)
    assert '<noscript><meta http-equiv="refresh" content="7"></noscript>' in _get(client)
    assert "http-equiv" not in _get(client, "/?refresh=off")


def test_an_alert_has_its_episodes_and_notifications(tmp_path: Path) -> None:
    client = desk(tmp_path)
    _post(client, alert("TargetDown", ends="2026-05-04T11:20:00Z"))
    _post(client, alert("TargetDown", starts="2026-05-04T11:40:00Z"))
    _post(client, alert("TargetDown", starts="2026-05-04T11:40:00Z"))
    page = _get(client, "/alerts/00000000000000aa")
    assert "firing for 20 min" in page
    assert "2 notifications" in page
    assert "1 notification\n" in page
    assert page.count("<td>desk-pages</td>") == 3


def test_an_unknown_alert_is_a_404_that_names_it(tmp_path: Path) -> None:
    answer = desk(tmp_path).get("/alerts/abc")
    assert answer.status_code == 404
    assert "no alert with the fingerprint abc" in answer.get_data(as_text=True)


def test_a_page_not_heard_of_for_long_is_marked(tmp_path: Path) -> None:
    _post(desk(tmp_path), alert("TargetDown"))
    later = desk(tmp_path, clock=lambda: NOW + timedelta(hours=6))
    assert "Not heard for 6 h" in _get(later)
    assert later.get("/api/pages").get_json()["current"][0]["stale"] is True


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def _switch(client: FlaskClient) -> tuple[str, bool]:
    judged = client.get("/api/pages").get_json()["watchdog"]
    assert ("The pager may be dead." in _get(client)) is judged["silent"]
    silent = f"firewatch_desk_watchdog_silent {float(judged['silent'])}"
    assert silent in _get(client, "/metrics")
    return judged["state"], judged["silent"]


def test_the_alarm_goes_off_when_the_watchdog_falls_silent_and_ends_when_it_is_heard(
    tmp_path: Path,
) -> None:
    clock = Clock()
    client = desk(tmp_path, clock=clock, deadman_seconds=180)
    _post(client, alert("Watchdog", severity="none"))
    clock.forward(180)
    assert _switch(client) == ("heard", False)
    clock.forward(1)
    assert _switch(client) == ("silent", True)
    assert "heard 3 min ago" in _get(client)
    assert "firewatch_desk_watchdog_age_seconds 181.0" in _get(client, "/metrics")
    _post(client, alert("Watchdog", severity="none"))
    assert _switch(client) == ("heard", False)


def test_a_new_desk_waits_for_the_first_heartbeat_but_not_for_ever(tmp_path: Path) -> None:
    clock = Clock()
    client = desk(tmp_path, clock=clock, deadman_seconds=180)
    clock.forward(180)
    assert _switch(client) == ("waiting", False)
    clock.forward(1)
    assert _switch(client) == ("silent", True)


def test_a_watchdog_that_resolved_is_silent_at_once(tmp_path: Path) -> None:
    client = desk(tmp_path)
    _post(client, alert("Watchdog", severity="none", ends="2026-05-04T11:59:00Z"))
    assert _switch(client) == ("silent", True)


def test_the_watchdog_stands_neither_among_the_pages_nor_in_the_history(tmp_path: Path) -> None:
    client = desk(tmp_path)
    _post(client, alert("Watchdog", severity="none"))
    board = client.get("/api/pages").get_json()
    assert board["current"] == board["history"] == []


def test_a_desk_that_cannot_read_its_database_says_so_loudly(tmp_path: Path) -> None:
    client = desk(tmp_path)
    with sqlite3.connect(tmp_path / "desk.db") as connection:
        connection.execute("DROP TABLE alerts")
    answer = client.get("/")
    assert answer.status_code == 500
    assert "The desk cannot read its database" in answer.get_data(as_text=True)


def test_health_tells_whether_a_page_could_be_kept(tmp_path: Path) -> None:
    client = desk(tmp_path)
    assert client.get("/health").get_json() == {"status": "ok"}
    (tmp_path / "desk.db").write_text("no longer a database, and long enough to be noticed" * 9)
    (tmp_path / "desk.db-wal").unlink(missing_ok=True)
    answer = client.get("/health")
    assert (answer.status_code, answer.content_type) == (503, "application/problem+json")


def test_every_answer_forbids_foreign_content_and_caching(tmp_path: Path) -> None:
    client = desk(tmp_path)
    for path in ("/", "/runbooks/", "/nowhere", "/api/pages"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.9, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
        (86400, "1 d"),
        (90000, "1 d 1 h"),
    ],
)
def test_a_duration_reads_like_a_person_would_say_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text
