"""The webhook: what Alertmanager posts is kept whole, or refused whole with a reason."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from desk.app import create_app
from desk.settings import Settings

STARTS = "2026-05-04T11:00:00Z"
ZERO = "0001-01-01T00:00:00Z"
NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def alert(
    name: str,
    *,
    fingerprint: str = "00000000000000aa",
    starts: str = STARTS,
    ends: str | None = None,
    severity: str = "page",
    **annotations: str,
) -> dict[str, Any]:
    """One alert as Alertmanager sends it; it is resolved when ``ends`` is given."""
    return {
        "status": "resolved" if ends else "firing",
        "labels": {"alertname": name, "severity": severity, "job": "web"},
        "annotations": annotations,
        "startsAt": starts,
        "endsAt": ends or ZERO,
        "generatorURL": "http://127.0.0.1:9090/graph?g0.expr=up",
        "fingerprint": fingerprint,
    }


def notification(*alerts: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A whole notification around the alerts."""
    status = "firing" if any(one["status"] == "firing" for one in alerts) else "resolved"
    return {
        "version": "4",
        "groupKey": '{}:{alertname="X"}',
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "desk-pages",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://127.0.0.1:9093",
        "alerts": list(alerts),
    } | changes


def desk(tmp_path: Path, **settings: Any) -> FlaskClient:
    """A client of a desk whose clock stands at NOW, with a real database in ``tmp_path``."""
    folder = tmp_path / "runbooks"
    folder.mkdir(exist_ok=True)
    values = {"db": tmp_path / "desk.db", "FIREWATCH_RUNBOOKS_DIR": folder} | settings
    clock = values.pop("clock", lambda: NOW)
    return create_app(Settings(**values), clock).test_client()


def _pages(client: FlaskClient) -> dict[str, Any]:
    answer: dict[str, Any] = client.get("/api/pages").get_json()
    return answer


def _metric(client: FlaskClient, line: str) -> str:
    lines = client.get("/metrics").get_data(as_text=True).splitlines()
    return next(one.split(" ")[-1] for one in lines if one.startswith(line + " "))


def test_a_firing_alert_stands_among_the_current_ones_until_it_resolves(tmp_path: Path) -> None:
    client = desk(tmp_path)
    assert client.post("/alertmanager", json=notification(alert("TargetDown"))).status_code == 204
    (page,) = _pages(client)["current"]
    assert (page["alertname"], page["severity"], page["seconds"]) == ("TargetDown", "page", 3600)
    client.post(
        "/alertmanager", json=notification(alert("TargetDown", ends="2026-05-04T11:30:00Z"))
    )
    board = _pages(client)
    assert board["current"] == []
    assert [(one["status"], one["seconds"]) for one in board["history"]] == [("resolved", 1800)]


def test_pages_survive_a_restart_of_the_desk(tmp_path: Path) -> None:
    desk(tmp_path).post("/alertmanager", json=notification(alert("TargetDown")))
    assert [page["alertname"] for page in _pages(desk(tmp_path))["current"]] == ["TargetDown"]


def _without(name: str) -> dict[str, Any]:
    whole = alert("TargetDown")
    del whole[name]
    return whole


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (notification(alert("A"), alert("B") | {"status": "maybe"}), "alerts.1.status"),
        (notification(alert("A"), _without("startsAt")), "alerts.1.startsAt"),
        (notification(alert("A"), alert("B", starts="yesterday")), "alerts.1.startsAt"),
        (notification(alert("A"), alert("B", starts="2026-05-04T11:00:00")), "alerts.1.startsAt"),
        (notification(alert("A", fingerprint="../../etc/passwd")), "alerts.0.fingerprint"),
        (notification(alert("A") | {"labels": {"alertname": 7}}), "alerts.0.labels.alertname"),
        (notification(alert("A") | {"status": "resolved"}), "a resolved alert needs an endsAt"),
        (notification(alert("A"), version="3"), "version"),
        (notification(), "alerts"),
        ([1, 2], "should be an object"),
        ("text", "should be an object"),
    ],
)
def test_a_bad_notification_gets_422_with_the_reason_and_leaves_nothing(
    tmp_path: Path, body: Any, reason: str
) -> None:
    client = desk(tmp_path)
    answer = client.post("/alertmanager", json=body)
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    assert reason in answer.get_json(force=True)["detail"]
    assert _pages(client)["current"] == _pages(client)["history"] == []
    assert _metric(client, 'firewatch_desk_notifications_total{status="refused"}') == "1.0"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"version": "\\ud800"}', b"[" * 5000])
def test_what_is_no_json_gets_422(tmp_path: Path, body: bytes) -> None:
    answer = desk(tmp_path).post("/alertmanager", data=body, content_type="application/json")
    assert answer.status_code == 422


def test_a_form_from_a_foreign_page_gets_415(tmp_path: Path) -> None:
    answer = desk(tmp_path).post("/alertmanager", data="{}", content_type="text/plain")
    assert answer.status_code == 415


def test_a_body_past_the_limit_gets_413(tmp_path: Path) -> None:
    client = desk(tmp_path, max_body_bytes=2048)
    answer = client.post("/alertmanager", json=notification(alert("A", summary="x" * 4096)))
    assert (answer.status_code, answer.content_type) == (413, "application/problem+json")


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic c2VjcmV0", "secret", "Bearer é"])
def test_a_webhook_with_a_token_refuses_all_others(tmp_path: Path, header: str | None) -> None:
    (tmp_path / "token").write_text("secret\n")
    client = desk(tmp_path, token_file=tmp_path / "token")
    headers = {"Authorization": header} if header else {}
    answer = client.post("/alertmanager", json=notification(alert("A")), headers=headers)
    assert answer.status_code == 401
    assert _pages(client)["current"] == []


@pytest.mark.parametrize("by_file", [True, False])
def test_a_webhook_with_a_token_takes_it(tmp_path: Path, by_file: bool) -> None:
    (tmp_path / "token").write_text("secret\n")
    client = desk(
        tmp_path, **({"token_file": tmp_path / "token"} if by_file else {"token": "secret"})
    )
    answer = client.post(
        "/alertmanager",
        json=notification(alert("A")),
        headers={"Authorization": "Bearer secret"},
    )
    assert answer.status_code == 204


def test_a_notification_that_cannot_be_kept_gets_503_so_that_it_is_sent_again(
    tmp_path: Path,
) -> None:
    client = desk(tmp_path)
    with sqlite3.connect(tmp_path / "desk.db") as connection:
        connection.execute("DROP TABLE notifications")
    answer = client.post("/alertmanager", json=notification(alert("A")))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert _pages(client)["current"] == []
    assert _metric(client, 'firewatch_desk_notifications_total{status="failed"}') == "1.0"


def test_metrics_count_what_fires_by_severity(tmp_path: Path) -> None:
    client = desk(tmp_path)
    alerts = [
        alert("A", fingerprint=f"{index:016x}", severity=severity)
        for index, severity in enumerate(("page", "page", "ticket", "made-up", "another"))
    ]
    client.post("/alertmanager", json=notification(*alerts))
    for severity, count in (("page", "2.0"), ("ticket", "1.0"), ("other", "2.0")):
        assert _metric(client, f'firewatch_desk_alerts_firing{{severity="{severity}"}}') == count
    assert _metric(client, 'firewatch_desk_notifications_total{status="firing"}') == "1.0"
