"""Sentry: unexpected exceptions, with the trace and request they belong to.

Without default integrations: they wrap every call and cost a fifth of the CPU. What is sent is
said here, in full: the exception, its stack without local variables, and ids. No body, no header,
no customer's data.
"""

from __future__ import annotations

from collections.abc import Mapping

import sentry_sdk
from opentelemetry import trace


def start_errors(dsn: str | None, environment: str, release: str, server_name: str) -> None:
    """Send captured exceptions to ``dsn``; with None, do nothing. Call after fork."""
    if not dsn:
        return
    sentry_sdk.init(
        dsn=dsn,
        environment=environment,
        release=release,
        server_name=server_name,
        default_integrations=False,
        auto_enabling_integrations=False,
        include_local_variables=False,
        send_default_pii=False,
        traces_sample_rate=None,
    )


def capture(error: BaseException, tags: Mapping[str, str]) -> None:
    """Report ``error`` with the current trace's ids and ``tags`` (bounded values, no data)."""
    if not sentry_sdk.is_initialized():
        return
    with sentry_sdk.new_scope() as scope:
        _name_trace(scope)
        for name, value in tags.items():
            scope.set_tag(name, value)
        scope.capture_exception(error)


def _name_trace(scope: sentry_sdk.Scope) -> None:
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:  # ids of zeros would join all such reports to one trace
        return
    trace_id, span_id = (
        trace.format_trace_id(context.trace_id),
        trace.format_span_id(context.span_id),
    )
    scope.set_tag("trace_id", trace_id)
    scope.set_context("trace", {"trace_id": trace_id, "span_id": span_id})


def close_errors(timeout_seconds: float = 2.0) -> None:
    """Send what is queued, for at most ``timeout_seconds``."""
    if sentry_sdk.is_initialized():
        sentry_sdk.flush(timeout=timeout_seconds)
