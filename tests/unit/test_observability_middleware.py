"""Each request is counted, timed, traced and logged once: seen as Prometheus and the log see it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import get_current_span
from prometheus_client.openmetrics import exposition, parser
from werkzeug.test import create_environ

from observability.instruments import Instruments
from observability.middleware import ROUTE_KEY, USER_KEY, RequestTelemetry
from tests.unit.service_support import Lines, lines_of

Body = Callable[[], Iterable[bytes]]
TRACE = "0af7651916cd43dd8448eb211c80319c"


def starting(answer: dict[str, str]) -> Any:
    """A server's start_response that keeps the headers in ``answer``."""

    def start_response(_status: str, headers: list[tuple[str, str]], _error: Any = None) -> Any:
        answer.update(headers)

    return start_response


def scraped(instruments: Instruments) -> list[Any]:
    """Every sample of the OpenMetrics text that Prometheus would get."""
    text = exposition.generate_latest(instruments.registry).decode()  # type: ignore[no-untyped-call]
    families = parser.text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    return [sample for family in families for sample in family.samples]


class Site:
    """A one-page application under RequestTelemetry, and all that it tells."""

    def __init__(self, body: Body = lambda: [b"hello"], status: str = "200 OK", ratio: float = 1.0):
        self.instruments, self.kept = Instruments(), InMemorySpanExporter()
        self.in_flight: float | None = None
        self.environ: dict[str, Any] = {}
        self._body, self._status = body, status
        provider = TracerProvider(sampler=ParentBased(TraceIdRatioBased(ratio)))
        provider.add_span_processor(SimpleSpanProcessor(self.kept))
        self.app = RequestTelemetry(self._app, self.instruments, provider.get_tracer("t"))

    def _app(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.in_flight = self.sample("http_requests_in_flight")
        if environ["PATH_INFO"].startswith("/items/"):
            environ[ROUTE_KEY], environ[USER_KEY] = "/items/<id>", "u-1"
        start_response(self._status, [("Content-Type", "text/plain")])
        return self._body()

    def ask(self, path: str = "/items/1", method: str = "GET", **headers: str) -> dict[str, str]:
        """The answer's headers."""
        answer: dict[str, str] = {}
        self.environ = create_environ(path, method=method) | headers
        body = self.app(self.environ, starting(answer))
        try:
            assert b"".join(body) == b"hello"
        finally:
            getattr(body, "close")()  # noqa: B009 (WSGI asks for it; the type does not say so)
        return answer

    def sample(self, name: str, **labels: str) -> float:
        return self.instruments.registry.get_sample_value(name, labels) or 0.0

    def requests(self) -> dict[tuple[str, str, str], float]:
        """http_requests_total by (method, route, status), as scraped."""
        return {
            (s.labels["method"], s.labels["route"], s.labels["status"]): s.value
            for s in scraped(self.instruments)
            if s.name == "http_requests_total"
        }

    def span(self) -> ReadableSpan:
        (span,) = self.kept.get_finished_spans()
        return span


@pytest.fixture
def lines() -> Iterator[Lines]:
    with lines_of("firewatch.access") as lines:
        yield lines


def test_a_request_is_counted_once_by_method_rule_and_status() -> None:
    site = Site()
    site.ask("/items/1")
    site.ask("/items/2")
    assert site.requests() == {("GET", "/items/<id>", "200"): 2}


def test_it_is_in_flight_while_it_is_answered_and_not_after() -> None:
    site = Site()
    site.ask()
    assert (site.in_flight, site.sample("http_requests_in_flight")) == (1, 0)


def test_unknown_paths_and_methods_add_no_series() -> None:
    site = Site(status="404 Not Found")
    for path in ("/a", "/b", "/wp-login.php"):
        site.ask(path, "BREW")
    assert site.requests() == {("OTHER", "unmatched", "404"): 3}


def test_the_time_counts_until_the_body_is_sent_and_falls_into_its_bucket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr("observability.middleware.time.perf_counter", lambda: now[0])

    def slow() -> Iterator[bytes]:
        now[0] += 0.2
        yield b"hello"

    site = Site(slow)
    site.ask()
    labels = {"method": "GET", "route": "/items/<id>"}
    bucket = "http_request_duration_seconds_bucket"
    assert site.sample("http_request_duration_seconds_sum", **labels) == pytest.approx(0.2)
    assert site.sample(bucket, le="0.1", **labels) == 0
    assert site.sample(bucket, le="0.2", **labels) == 1


def test_a_sampled_request_leaves_its_trace_id_as_an_exemplar_and_another_none() -> None:
    def exemplars(site: Site) -> list[str]:
        samples = scraped(site.instruments)
        return [sample.exemplar.labels["trace_id"] for sample in samples if sample.exemplar]

    sampled, unsampled = Site(ratio=1.0), Site(ratio=0.0)
    sampled.ask()
    unsampled.ask()
    context = sampled.span().context
    assert context is not None
    assert exemplars(sampled) == [format(context.trace_id, "032x")]
    assert exemplars(unsampled) == []
    assert unsampled.requests() == {("GET", "/items/<id>", "200"): 1}


def test_an_exception_is_counted_as_500_and_goes_on_to_the_server(lines: Lines) -> None:
    def broken() -> Iterable[bytes]:
        raise RuntimeError("broken")

    site = Site(broken)
    with pytest.raises(RuntimeError, match="broken"):
        site.ask()
    assert site.requests() == {("GET", "/items/<id>", "500"): 1}
    assert site.sample("http_requests_in_flight") == 0
    assert (site.span().attributes or {})["error.type"] == "RuntimeError"
    assert [line["log.level"] for line in lines.documents] == ["error"]


def test_a_body_that_breaks_off_is_counted_as_500_though_it_began_well(lines: Lines) -> None:
    def half() -> Iterator[bytes]:
        yield b"hel"
        raise RuntimeError("broken")

    site = Site(half)
    with pytest.raises(RuntimeError, match="broken"):
        site.ask()
    assert site.requests() == {("GET", "/items/<id>", "500"): 1}
    assert (site.span().attributes or {})["error.type"] == "RuntimeError"
    assert lines.documents[0]["http.response.body.bytes"] == 3


def test_a_customer_who_leaves_closes_the_body_and_ends_the_request_once() -> None:
    closed: list[str] = []

    def endless() -> Iterator[bytes]:
        try:
            while True:
                yield b"hello"
        finally:
            closed.append("generator")

    site = Site(endless)
    body = site.app(create_environ("/items/1"), starting({}))
    next(iter(body))
    for _ in range(2):
        getattr(body, "close")()  # noqa: B009 (see above)
    assert closed == ["generator"]
    assert site.requests() == {("GET", "/items/<id>", "200"): 1}
    assert site.sample("http_requests_in_flight") == 0


def test_after_a_request_no_span_is_current() -> None:
    site = Site()
    site.ask(HTTP_TRACEPARENT=f"00-{TRACE}-b7ad6b7169203331-01")
    assert not get_current_span().get_span_context().is_valid
