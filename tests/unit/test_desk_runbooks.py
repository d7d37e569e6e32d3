"""Runbooks on the desk, and the settings that stop its start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from desk.settings import SettingsError, load_settings
from tests.unit.test_desk_webhook import alert, desk, notification

ROOT = Path(__file__).parents[2]


def test_a_runbook_is_rendered_with_its_code_tables_and_sections(tmp_path: Path) -> None:
    client = desk(tmp_path)
    text = "# CacheDown\n\n## What to do\n\n```sh\nmake status\n```\n\n|a|b|\n|-|-|\n|1|2|\n"
    (tmp_path / "runbooks" / "CacheDown.md").write_text(text)
    page = client.get("/runbooks/CacheDown").get_data(as_text=True)
    assert '<code class="language-sh">make status' in page
    assert "<table>" in page
    assert '<h2 id="what-to-do">' in page
    assert '<a href="#what-to-do">What to do</a>' in page


def test_markup_and_script_links_in_a_runbook_are_shown_as_text(tmp_path: Path) -> None:
    client = desk(tmp_path)
    text = "<script>alert(1)</script>\n\n[x](javascript:alert(1)) <b onclick=y>z</b>\n"
    (tmp_path / "runbooks" / "Evil.md").write_text(text)
    page = client.get("/runbooks/Evil").get_data(as_text=True)
    assert "<script>" not in page
    assert "<b onclick" not in page
    assert 'href="javascript' not in page


def test_a_link_to_another_page_of_the_folder_works_on_the_desk(tmp_path: Path) -> None:
    client = desk(tmp_path)
    text = "[a](CacheDown.md#what-to-do) [b](README.md) [c](https://x.example/y.md)\n"
    (tmp_path / "runbooks" / "A.md").write_text(text)
    page = client.get("/runbooks/A").get_data(as_text=True)
    assert 'href="/runbooks/CacheDown#what-to-do"' in page
    assert 'href="/runbooks/"' in page
    assert 'href="https://x.example/y.md"' in page


def test_a_runbook_says_when_its_alert_fires_now(tmp_path: Path) -> None:
    client = desk(tmp_path)
    (tmp_path / "runbooks" / "CacheDown.md").write_text("# CacheDown\n")
    assert "Fires now" not in client.get("/runbooks/CacheDown").get_data(as_text=True)
    client.post("/alertmanager", json=notification(alert("CacheDown")))
    assert "Fires now, for 1 h" in client.get("/runbooks/CacheDown").get_data(as_text=True)


def test_the_index_lists_all_runbooks(tmp_path: Path) -> None:
    client = desk(tmp_path)
    assert "holds no page" in client.get("/runbooks/").get_data(as_text=True)
    for name in ("CacheDown", "README"):
        (tmp_path / "runbooks" / f"{name}.md").write_text("# How to\n")
    page = client.get("/runbooks/").get_data(as_text=True)
    assert 'href="/runbooks/CacheDown"' in page
    assert 'href="/runbooks/README"' not in page
    assert "<h1>How to</h1>" in page


@pytest.mark.parametrize(
    "name",
    [
        "Nowhere",
        "../secret",
        "..%2fsecret",
        "%2e%2e/secret",
        "%2fetc%2fpasswd",
        "A.md",
        "x\x00y",
        ".",
    ],
)
def test_an_unknown_runbook_or_one_outside_the_folder_is_a_404(tmp_path: Path, name: str) -> None:
    client = desk(tmp_path)
    (tmp_path / "secret.md").write_text("the secret")
    (tmp_path / "runbooks" / "A.md").write_text("# A\n")
    answer = client.get(f"/runbooks/{name}", follow_redirects=True)
    assert answer.status_code == 404 or answer.request.path == "/runbooks/"
    assert "the secret" not in answer.get_data(as_text=True)


def test_the_404_says_which_runbook_is_missing(tmp_path: Path) -> None:
    answer = desk(tmp_path).get("/runbooks/No<b>where")
    assert "There is no runbook named No&lt;b&gt;where." in answer.get_data(as_text=True)


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A good environment, nothing else of the desk's set."""
    for name in [name for name in os.environ if name.startswith("FIREWATCH_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FIREWATCH_DESK_DB", str(tmp_path / "desk.db"))
    monkeypatch.setenv("FIREWATCH_RUNBOOKS_DIR", str(tmp_path))
    return monkeypatch


def test_a_good_environment_gives_the_defaults(environment: pytest.MonkeyPatch) -> None:
    settings = load_settings()
    assert (settings.bind, settings.deadman_seconds) == ("127.0.0.1:8090", 180)
    assert settings.bearer_token is None


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("FIREWATCH_DESK_BIND", "8090", "FIREWATCH_DESK_BIND is wrong: must be host:port."),
        ("FIREWATCH_DESK_DEADMAN_SECONDS", "0", "FIREWATCH_DESK_DEADMAN_SECONDS is wrong"),
        ("FIREWATCH_DESK_DB", "/nowhere/desk.db", "the folder /nowhere does not exist"),
        ("FIREWATCH_RUNBOOKS_DIR", "/nowhere", "FIREWATCH_RUNBOOKS_DIR is wrong: /nowhere is no"),
        ("FIREWATCH_DESK_TOKEN", "", "the token of FIREWATCH_DESK_TOKEN or its file is empty"),
        ("FIREWATCH_DESK_TOKEN_FILE", "/nowhere", "is empty or unreadable"),
    ],
)
def test_a_wrong_setting_is_named_in_one_sentence(
    environment: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_database_setting_is_named(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("FIREWATCH_DESK_DB")
    with pytest.raises(SettingsError, match="FIREWATCH_DESK_DB is not set"):
        load_settings()


def test_gunicorn_stops_with_the_sentence_and_without_a_traceback(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("FIREWATCH_DESK_BIND", "nonsense")
    command = [sys.executable, "-m", "gunicorn", "-c", "desk/gunicorn.conf.py", "desk.wsgi:app"]
    done = subprocess.run(
        command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr == "FIREWATCH_DESK_BIND is wrong: must be host:port.\n"
