"""What joins a request to its story: its id, its trace, and its one line in the log."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import SpanKind, StatusCode

from observability.middleware import REQUEST_ID_KEY
from tests.unit.service_support import lines_of
from tests.unit.test_observability_middleware import TRACE, Site

TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.mark.parametrize("given_id", ["0af76519", "A-Z-a-z-0-9", "f" * 64])
def test_an_id_that_looks_like_one_is_kept_and_answered(given_id: str) -> None:
    site = Site()
    assert site.ask(HTTP_X_REQUEST_ID=given_id)["X-Request-ID"] == given_id
    assert site.environ[REQUEST_ID_KEY] == given_id


@given(st.text(st.characters(codec="latin-1"), max_size=80))
def test_whatever_is_sent_as_an_id_the_answer_holds_one_that_is_harmless(text: str) -> None:
    answered = Site().ask(HTTP_X_REQUEST_ID=text)["X-Request-ID"]
    assert re.fullmatch(r"[0-9A-Za-z-]{8,64}", answered)


@pytest.mark.parametrize(
    "given_id", ["short", "x" * 65, "with blank", "line\nbreak", "<b>bold</b>"]
)
def test_anything_else_is_replaced_by_an_id_of_our_own(given_id: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", Site().ask(HTTP_X_REQUEST_ID=given_id)["X-Request-ID"])


def test_two_requests_have_two_ids() -> None:
    site = Site()
    assert site.ask()["X-Request-ID"] != site.ask()["X-Request-ID"]


def test_the_line_of_a_request_tells_all_that_is_needed_to_find_it() -> None:
    site = Site()
    with lines_of("firewatch.access") as lines:
        site.ask("/items/1", HTTP_TRACEPARENT=TRACEPARENT, HTTP_USER_AGENT="curl")
    (line,) = lines.documents
    wanted = {
        "message": "request",
        "log.level": "info",
        "event.dataset": "firewatch.access",
        "http.request.id": site.environ[REQUEST_ID_KEY],
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.response.body.bytes": 5,
        "http.route": "/items/<id>",
        "url.path": "/items/1",
        "user.id": "u-1",
        "user_agent.original": "curl",
        "trace.id": TRACE,
    }
    assert {name: line.get(name) for name in wanted} == wanted
    assert line["event.duration"] > 0


def test_the_line_holds_no_query_no_header_and_no_body() -> None:
    site = Site(lambda: iter([b"hel", b"lo"]))
    with lines_of("firewatch.access") as lines:
        site.ask(
            "/items/1?token=hunter2",
            HTTP_AUTHORIZATION="Bearer hunter2",
            HTTP_COOKIE="session=hunter2",
        )
    (text,) = lines.texts
    assert "hunter2" not in text
    assert "hello" not in text


def test_a_path_in_any_script_is_logged_as_it_was_meant() -> None:
    with lines_of("firewatch.access") as lines:
        Site().ask("/items/grün")
    assert lines.documents[0]["url.path"] == "/items/grün"


def test_a_very_long_user_agent_is_cut() -> None:
    with lines_of("firewatch.access") as lines:
        Site().ask(HTTP_USER_AGENT="x" * 5000)
    assert len(lines.documents[0]["user_agent.original"]) == 200


def test_the_span_goes_on_with_the_callers_trace_and_tells_the_request() -> None:
    site = Site()
    site.ask(HTTP_TRACEPARENT=TRACEPARENT)
    span = site.span()
    attributes = span.attributes or {}
    assert span.parent is not None
    assert span.context is not None
    assert format(span.context.trace_id, "032x") == TRACE
    assert format(span.parent.span_id, "016x") == "b7ad6b7169203331"
    assert (span.name, span.kind) == ("GET /items/<id>", SpanKind.SERVER)
    assert attributes["http.response.status_code"] == 200
    assert attributes["http.request.id"] == site.environ[REQUEST_ID_KEY]
    assert span.status.status_code is StatusCode.UNSET


def test_a_server_error_marks_the_span_and_a_customers_mistake_does_not() -> None:
    broken, mistaken = Site(status="503 Service Unavailable"), Site(status="404 Not Found")
    broken.ask()
    mistaken.ask()
    assert broken.span().status.status_code is StatusCode.ERROR
    assert mistaken.span().status.status_code is StatusCode.UNSET


@pytest.mark.parametrize("caller", ["-00", "-01"])
def test_the_callers_decision_to_sample_holds(caller: str) -> None:
    site = Site(ratio=0.0 if caller == "-01" else 1.0)
    site.ask(HTTP_TRACEPARENT=TRACEPARENT[:-3] + caller)
    assert len(site.kept.get_finished_spans()) == (1 if caller == "-01" else 0)


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "junk",
        f"ff-{TRACE}-b7ad6b7169203331-01",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-b7ad6b7169203331",
    ],
)
def test_a_traceparent_that_is_none_begins_a_trace_of_our_own(traceparent: str) -> None:
    site = Site()
    site.ask(HTTP_TRACEPARENT=traceparent, HTTP_TRACESTATE="\x00,,=")
    span = site.span()
    assert span.parent is None
    assert span.context is not None
    assert format(span.context.trace_id, "032x") != TRACE
