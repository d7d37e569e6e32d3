"""Settings: each wrong one stops the start with one sentence that names it, and no value of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pydantic import ValidationError

from service.settings import SettingsError, load_settings
from tests.unit.service_support import ENVIRONMENT, KEY, settings

ROOT = Path(__file__).parents[2]
WRONG = {
    "FIREWATCH_ENVIRONMENT": "moon",
    "FIREWATCH_SLOT": "red",
    "FIREWATCH_DATABASE_URL": "mysql://nobody@host/none",
    "FIREWATCH_REPLICA_URL": "host-without-scheme",
    "FIREWATCH_REDIS_URL": "http://localhost",
    "FIREWATCH_REDIS_CLUSTER": "perhaps",
    "FIREWATCH_SMTP_URL": "http://localhost:25",
    "FIREWATCH_ENCRYPTION_KEYS": f"{KEY},much-too-short",
    "FIREWATCH_BLIND_INDEX_KEY": "only-31-characters-are-too-few!",
    "FIREWATCH_BIND": "8000",
    "FIREWATCH_METRICS_BIND": "127.0.0.1:70000",
    "FIREWATCH_THREADS": "0",
    "FIREWATCH_TRUSTED_PROXIES": "10.0.0.0/8, 10.0.0.0/99",
    "FIREWATCH_DRAIN_SECONDS": "61",
    "FIREWATCH_STATEMENT_TIMEOUT_SECONDS": "inf",
    "FIREWATCH_LIMIT_SIGN_IN": "many per minute",
    "FIREWATCH_BAN_FAILURES": "5",
    "FIREWATCH_JOB_STALLED_SECONDS": "1",
    "FIREWATCH_LOG_LEVEL": "CHATTY",
    "FIREWATCH_LOG_FILE": "/nowhere-at-all/service.log",
    "FIREWATCH_TRACE_FILE": "/nowhere-at-all/traces.jsonl",
    "OTEL_TRACES_SAMPLER_ARG": "1.5",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318",
    "SENTRY_DSN": "https://no-key.example/1",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("FIREWATCH_", "OTEL_", "SENTRY_")):
            monkeypatch.delenv(name)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def complaint() -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings()
    return str(caught.value)


@pytest.mark.parametrize(("name", "value"), WRONG.items(), ids=WRONG)
def test_a_wrong_setting_is_named_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    sentence = complaint()
    assert name in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert "Value error" not in sentence


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_a_setting_that_is_needed_and_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv(name)
    assert complaint() == f"{name} is not set."


@pytest.mark.parametrize("port", ["mail", "99999"])
def test_a_mail_server_on_no_port_is_refused_at_the_start_and_not_at_the_first_order(
    monkeypatch: pytest.MonkeyPatch, port: str
) -> None:
    monkeypatch.setenv("FIREWATCH_SMTP_URL", f"smtp://localhost:{port}")
    assert complaint().startswith("FIREWATCH_SMTP_URL is wrong: ")


@pytest.mark.parametrize(
    "name", ["FIREWATCH_ENCRYPTION_KEYS", "FIREWATCH_BLIND_INDEX_KEY", "FIREWATCH_DATABASE_URL"]
)
def test_a_complaint_never_shows_the_secret_itself(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "hunter2-is-no-good")
    assert "hunter2" not in complaint()


def test_lists_are_split_at_commas_and_their_order_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    newer = Fernet.generate_key().decode()
    monkeypatch.setenv("FIREWATCH_ENCRYPTION_KEYS", f" {newer} , {KEY},")
    monkeypatch.setenv("FIREWATCH_TRUSTED_PROXIES", "10.0.0.0/8,::1/128")
    read = load_settings()
    assert read.encryption_keys == (newer, KEY)
    assert [str(network) for network in read.trusted_networks] == ["10.0.0.0/8", "::1/128"]


def test_no_proxy_is_trusted_unless_named() -> None:
    assert settings().trusted_networks == ()


def test_secrets_come_from_files_of_the_secrets_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = Fernet.generate_key().decode()
    monkeypatch.delenv("FIREWATCH_ENCRYPTION_KEYS")
    (tmp_path / "firewatch_encryption_keys").write_text(f"{other},{KEY}\n")
    (tmp_path / "sentry_dsn").write_text("http://public@127.0.0.1:1/1\n")
    monkeypatch.setenv("FIREWATCH_SECRETS_DIR", str(tmp_path))
    read = load_settings()
    assert read.encryption_keys == (other, KEY)
    assert read.sentry_dsn == "http://public@127.0.0.1:1/1"


def test_a_wrong_secret_in_a_file_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("FIREWATCH_BLIND_INDEX_KEY")
    (tmp_path / "firewatch_blind_index_key").write_text("hunter2")
    monkeypatch.setenv("FIREWATCH_SECRETS_DIR", str(tmp_path))
    sentence = complaint()
    assert "FIREWATCH_BLIND_INDEX_KEY" in sentence
    assert "hunter2" not in sentence


def test_a_secrets_folder_that_is_none_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FIREWATCH_SECRETS_DIR", str(tmp_path / "missing"))
    assert complaint().startswith("FIREWATCH_SECRETS_DIR is no folder: ")


def test_settings_cannot_be_changed_later() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        settings().threads = 3


def check_settings(**changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "service.manage", "check-settings"],
        cwd=ROOT,
        env={**os.environ, **changes},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_command_says_when_all_is_right() -> None:
    done = check_settings()
    assert (done.returncode, done.stdout) == (0, "The settings are right.\n")


def test_the_command_fails_with_one_sentence_and_no_stack_trace() -> None:
    done = check_settings(FIREWATCH_THREADS="none")
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: FIREWATCH_THREADS is wrong: ")
