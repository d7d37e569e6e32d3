"""ECS lines: the fields, the ids of the trace, errors in full, and never a secret."""

from __future__ import annotations

import json
import logging
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gunicorn.config import Config
from opentelemetry.sdk.trace import TracerProvider

from observability.logs import EcsFormatter, start_logging
from tests.unit.service_support import ENVIRONMENT, Lines, lines_of

ROOT = Path(__file__).parents[2]
STATIC = {"service.name": "firewatch-web", "service.version": "9", "service.node.name": "web-1"}
log = logging.getLogger("firewatch.test")


@pytest.fixture
def lines() -> Iterator[Lines]:
    with lines_of("firewatch.test") as lines:
        lines.setFormatter(EcsFormatter(STATIC))
        yield lines


def test_a_line_has_the_fields_of_ecs_and_of_its_process(lines: Lines) -> None:
    log.warning("stock is low", extra={"firewatch.product.id": 7})
    (document,) = lines.documents
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(document.pop("@timestamp")))
    assert document.pop("process.pid") > 0
    assert document == {
        **STATIC,
        "log.level": "warning",
        "log.logger": "firewatch.test",
        "message": "stock is low",
        "ecs.version": "8.11.0",
        "firewatch.product.id": 7,
    }


def test_values_of_the_message_are_put_in_and_a_line_is_one_line(lines: Lines) -> None:
    log.info("first %s\nsecond", "half")
    (text,) = lines.texts
    assert "\n" not in text
    assert json.loads(text)["message"] == "first half\nsecond"


def test_inside_a_span_a_line_carries_its_ids_and_outside_none(lines: Lines) -> None:
    with TracerProvider().get_tracer("t").start_as_current_span("s") as span:
        log.info("inside")
    log.info("outside")
    inside, outside = lines.documents
    assert inside["trace.id"] == format(span.get_span_context().trace_id, "032x")
    assert inside["span.id"] == format(span.get_span_context().span_id, "016x")
    assert not {"trace.id", "span.id"} & outside.keys()


def test_an_exception_has_its_type_message_and_stack_in_fields(lines: Lines) -> None:
    try:
        raise KeyError("stock")
    except KeyError:
        log.exception("lost")
    (document,) = lines.documents
    assert (document["error.type"], document["error.message"]) == ("KeyError", "'stock'")
    assert document["error.stack_trace"].startswith("Traceback (most recent call last):")
    assert 'raise KeyError("stock")' in document["error.stack_trace"]
    assert document["message"] == "lost"
    assert not {"exc_info", "exc_text"} & document.keys()


def test_asking_for_an_exception_where_there_is_none_does_no_harm(lines: Lines) -> None:
    log.error("nothing raised", exc_info=True)  # noqa: LOG014 (a library may)
    assert not any(name.startswith("error.") for name in lines.documents[0])


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "user.Password",
        "session_token",
        "HTTP_AUTHORIZATION",
        "http.request.headers.cookie",
        "client_secret",
        "user.email",
        "delivery_address",
    ],
)
def test_a_field_that_speaks_of_a_secret_is_redacted(lines: Lines, name: str) -> None:
    log.info("careless", extra={name: "hunter2"})
    assert "hunter2" not in lines.texts[0]
    assert lines.documents[0][name] == "[redacted]"


def test_a_field_that_only_sounds_like_a_secret_is_kept(lines: Lines) -> None:
    log.info("plain", extra={"client.address": "192.0.2.1", "user.id": "u-1"})
    assert lines.documents[0]["client.address"] == "192.0.2.1"
    assert lines.documents[0]["user.id"] == "u-1"


def test_values_that_json_does_not_know_are_written_as_text(lines: Lines) -> None:
    log.info("odd", extra={"path": Path("/a"), "numbers": {1: {2}}})
    assert lines.documents[0]["path"] == "/a"
    assert lines.documents[0]["numbers"] == {"1": "{2}"}


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """Give the process its handlers and levels back."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    procrastinate = logging.getLogger("procrastinate")
    quiet = procrastinate.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    procrastinate.setLevel(quiet)


@pytest.mark.usefixtures("restored_logging")
def test_lines_of_libraries_and_gunicorn_take_the_same_form(tmp_path: Path) -> None:
    gunicorn = logging.getLogger("gunicorn.error")
    gunicorn.addHandler(logging.StreamHandler())
    gunicorn.propagate = False
    handler = start_logging(STATIC, "INFO", str(tmp_path / "log"), lambda _result, _lines: None)
    for name in ("gunicorn.error", "urllib3.pool", "firewatch.x"):
        logging.getLogger(name).warning("from %s", name)
    logging.getLogger("firewatch.x").debug("below the level")
    logging.getLogger("procrastinate.jobs").info("a job's arguments")
    handler.close()
    documents = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [document["log.logger"] for document in documents] == [
        "gunicorn.error",
        "urllib3.pool",
        "firewatch.x",
    ]
    assert len({frozenset(document) for document in documents}) == 1
    assert gunicorn.handlers == []


def test_gunicorns_master_writes_the_same_form_before_there_is_telemetry(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {**ENVIRONMENT, "FIREWATCH_INSTANCE": "web-blue-1"}.items():
        monkeypatch.setenv(name, value)
    configuration: dict[str, Any] = runpy.run_path(str(ROOT / "service" / "gunicorn.conf.py"))
    logger = configuration["logger_class"](Config())
    try:
        logger.info("Listening at: %s", "127.0.0.1:8000")
    finally:
        logger.error_log.handlers.clear()
    (line,) = capsys.readouterr().err.splitlines()
    document = json.loads(line)
    assert document["message"] == "Listening at: 127.0.0.1:8000"
    assert document["log.logger"] == "gunicorn.error"
    assert document["service.name"] == "firewatch-web"
    assert document["service.node.name"] == "web-blue-1"
