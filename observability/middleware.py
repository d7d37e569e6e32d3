"""The outermost WSGI layer: each request is counted, timed, traced and logged here, once.

It times until the body has been handed over. The application tells it what only routing knows by
two keys in ``environ``: ROUTE_KEY (the rule that matched) and USER_KEY (the signed-in customer).
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from observability.contract import METHODS, OTHER_METHOD, UNMATCHED_ROUTE
from observability.instruments import Instruments
from observability.tracing import context_from

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    ExcInfo = (
        tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None] | None
    )

ROUTE_KEY = "firewatch.route"
USER_KEY = "firewatch.user_id"
REQUEST_ID_KEY = "firewatch.request_id"
REQUEST_ID = re.compile(r"[0-9A-Za-z-]{8,64}")
KNOWN_METHODS = frozenset(METHODS)

access_log = logging.getLogger("firewatch.access")


class RequestTelemetry:
    """Wraps ``app``; see the module's description. Thread-safe: all state is in the request."""

    def __init__(self, app: WSGIApplication, instruments: Instruments, tracer: Tracer) -> None:
        self._app = app
        self._instruments = instruments
        self._tracer = tracer

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = _Request(environ, self._instruments, self._tracer)

        def start(status: str, headers: list[tuple[str, str]], exc_info: ExcInfo = None) -> Any:
            request.status = int(status[:3])
            headers.append(("X-Request-ID", request.id))
            return start_response(status, headers, exc_info)

        try:
            body = self._app(environ, start)
        except BaseException as error:
            request.status = 500
            request.finish(error)
            raise
        return _Body(body, request)


class _Body:
    """The response's body; finishes the request's telemetry when the server closes it."""

    def __init__(self, body: Iterable[bytes], request: _Request) -> None:
        self._body = body
        self._request = request
        self._error: Exception | None = None

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self._body:
                self._request.bytes_sent += len(chunk)
                yield chunk
        except Exception as error:
            # Whatever status was sent: the customer got half an answer.
            self._request.status, self._error = 500, error
            raise

    def close(self) -> None:
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._request.finish(self._error)


class _Request:
    """One request: from its arrival to the close of its body."""

    def __init__(self, environ: WSGIEnvironment, instruments: Instruments, tracer: Tracer) -> None:
        self._started = time.perf_counter()
        self._environ = environ
        self._instruments = instruments
        self._done = False
        self.status = 500
        self.bytes_sent = 0
        self.id = environ[REQUEST_ID_KEY] = _request_id(environ)
        instruments.http_in_flight.inc()
        self._span = _start_span(environ, tracer)
        self._token = otel_context.attach(trace.set_span_in_context(self._span))

    def finish(self, error: BaseException | None) -> None:
        if self._done:
            return
        self._done = True
        seconds = time.perf_counter() - self._started
        method = self._environ["REQUEST_METHOD"]
        method = method if method in KNOWN_METHODS else OTHER_METHOD
        route = cast(str, self._environ.get(ROUTE_KEY, UNMATCHED_ROUTE))
        self._count(method, route, seconds)
        self._log(method, route, seconds)
        self._end_span(method, route, error)
        otel_context.detach(self._token)

    def _count(self, method: str, route: str, seconds: float) -> None:
        instruments = self._instruments
        instruments.http_in_flight.dec()
        instruments.http_requests.labels(method, route, self.status).inc()
        duration = instruments.http_duration.labels(method, route)
        if self._span.is_recording():
            trace_id = trace.format_trace_id(self._span.get_span_context().trace_id)
            duration.observe(seconds, {"trace_id": trace_id})
        else:
            duration.observe(seconds)

    def _log(self, method: str, route: str, seconds: float) -> None:
        environ = self._environ
        fields: dict[str, object] = {
            "event.dataset": "firewatch.access",
            "event.duration": int(seconds * 1e9),
            "http.request.id": self.id,
            "http.request.method": method,
            "http.response.status_code": self.status,
            "http.response.body.bytes": self.bytes_sent,
            "http.route": route,
            "url.path": _path(environ),
            "client.ip": environ.get("REMOTE_ADDR", ""),
            "user_agent.original": environ.get("HTTP_USER_AGENT", "")[:200],
        }
        if USER_KEY in environ:
            fields["user.id"] = environ[USER_KEY]
        level = logging.ERROR if self.status >= 500 else logging.INFO
        access_log.log(level, "request", extra=fields)

    def _end_span(self, method: str, route: str, error: BaseException | None) -> None:
        span = self._span
        if span.is_recording():
            span.update_name(f"{method} {route}")
            span.set_attribute("http.request.method", method)
            span.set_attribute("http.route", route)
            span.set_attribute("http.response.status_code", self.status)
            span.set_attribute("http.request.id", self.id)
            span.set_attribute("client.address", self._environ.get("REMOTE_ADDR", ""))
            if self.status >= 500:
                span.set_attribute(
                    "error.type", type(error).__qualname__ if error else str(self.status)
                )
                span.set_status(Status(StatusCode.ERROR))
        span.end()


def _request_id(environ: WSGIEnvironment) -> str:
    # nginx always sets one of its own; anything else must at least look like an id before it
    # stands in our logs.
    given = cast(str, environ.get("HTTP_X_REQUEST_ID", ""))
    return given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _path(environ: WSGIEnvironment) -> str:
    # WSGI hands bytes over as latin-1; they were meant as UTF-8.
    path = cast(str, environ.get("PATH_INFO", ""))
    return path.encode("latin-1", "replace").decode("utf-8", "replace")


def _start_span(environ: WSGIEnvironment, tracer: Tracer) -> Span:
    parent = otel_context.Context()
    if "HTTP_TRACEPARENT" in environ:
        state = environ.get("HTTP_TRACESTATE", "")
        parent = context_from(environ["HTTP_TRACEPARENT"], state)
    span = tracer.start_span("request", context=parent, kind=SpanKind.SERVER)
    if span.is_recording():
        span.set_attribute("url.path", _path(environ))
        span.set_attribute("url.scheme", environ.get("wsgi.url_scheme", ""))
        span.set_attribute("user_agent.original", environ.get("HTTP_USER_AGENT", "")[:200])
    return span
