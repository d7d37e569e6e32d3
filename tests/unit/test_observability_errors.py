"""Sentry: the envelope as a server gets it holds the exception and its ids, and nothing of a customer."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
from flask import Flask, request
from opentelemetry.sdk.trace import TracerProvider
from werkzeug.test import Client

from observability.errors import capture, close_errors, start_errors
from observability.instruments import Instruments
from observability.middleware import ROUTE_KEY, RequestTelemetry
from service.errors import install_error_handlers
from tests.unit.service_support import Catcher, catcher

# Made here, so that no line of source code holds it: Sentry is sent the lines around an error.
SECRET = uuid.uuid4().hex
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def sentry() -> Iterator[Catcher]:
    with catcher() as server:
        start_errors(f"http://key@127.0.0.1:{server.server_port}/1", "staging", "1.2.3", "web-1")
        try:
            yield server
        finally:
            sentry_sdk.get_client().close(timeout=1)
            sentry_sdk.get_global_scope().set_client(None)


def broken_site() -> Client:
    """A site whose page fails while it holds the customer's password."""
    app = Flask("broken")
    install_error_handlers(app, Instruments(), 5)

    @app.post("/pay/<card>")
    def pay(card: str) -> str:
        request.environ[ROUTE_KEY] = "/pay/<card>"
        password = request.get_json()["password"]
        raise RuntimeError(f"cannot pay with {len(password) + len(card)} characters")

    tracer = TracerProvider().get_tracer("t")
    return Client(RequestTelemetry(app, Instruments(), tracer))


def pay(client: Client) -> int:
    answer = client.post(
        f"/pay/{SECRET}?card={SECRET}",
        json={"password": SECRET},
        buffered=True,
        headers={
            "Authorization": f"Bearer {SECRET}",
            "Cookie": f"session={SECRET}",
            "Traceparent": f"00-{TRACE}-b7ad6b7169203331-01",
            "X-Request-ID": "request-0001",
        },
    )
    return answer.status_code


def event_of(server: Catcher) -> dict[str, Any]:
    ((path, body),) = server.posts
    assert path == "/api/1/envelope/"
    _header, _item, event = body.splitlines()
    document: dict[str, Any] = json.loads(event)
    return document


def test_an_unexpected_exception_arrives_with_the_ids_of_its_request(sentry: Catcher) -> None:
    assert pay(broken_site()) == 500
    close_errors()
    event = event_of(sentry)
    (error,) = event["exception"]["values"]
    assert (error["type"], error["value"]) == ("RuntimeError", "cannot pay with 64 characters")
    assert error["stacktrace"]["frames"][-1]["function"] == "pay"
    assert event["tags"] == {
        "trace_id": TRACE,
        "request_id": "request-0001",
        "route": "/pay/<card>",
    }
    assert event["contexts"]["trace"]["trace_id"] == TRACE
    assert (event["release"], event["environment"], event["server_name"]) == (
        "1.2.3",
        "staging",
        "web-1",
    )


def test_the_whole_envelope_holds_nothing_of_the_customer(sentry: Catcher) -> None:
    pay(broken_site())
    close_errors()
    ((_path, body),) = sentry.posts
    assert SECRET.encode() not in body
    event = event_of(sentry)
    assert not {"request", "user"} & event.keys()
    assert event["breadcrumbs"] == {"values": []}
    assert not any(
        "vars" in frame
        for error in event["exception"]["values"]
        for frame in error["stacktrace"]["frames"]
    )


def test_outside_a_span_an_exception_is_reported_without_false_ids(sentry: Catcher) -> None:
    capture(RuntimeError("alone"), {"task": "nightly"})
    close_errors()
    event = event_of(sentry)
    assert event["tags"] == {"task": "nightly"}
    assert set(event["contexts"]["trace"]["trace_id"]) != {"0"}


def test_each_report_has_its_own_tags(sentry: Catcher) -> None:
    capture(RuntimeError("one"), {"task": "a"})
    capture(RuntimeError("two"), {"job_id": "7"})
    close_errors()
    events = [json.loads(body.splitlines()[2]) for _path, body in sentry.posts]
    assert [event["tags"] for event in events] == [{"task": "a"}, {"job_id": "7"}]


@pytest.mark.parametrize("dsn", [None, ""])
def test_without_a_dsn_nothing_is_started_and_nothing_fails(dsn: str | None) -> None:
    start_errors(dsn, "staging", "1.2.3", "web-1")
    assert not sentry_sdk.is_initialized()
    capture(RuntimeError("unheard"), {})
    close_errors()
