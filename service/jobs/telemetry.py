"""Each run of a job is counted, timed, logged and traced here, as each request is in the middleware.

The job goes on with the trace of the request that enqueued it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from procrastinate import JobContext
from procrastinate.worker import Worker

from observability.errors import capture
from observability.instruments import Instruments
from observability.tracing import context_from

log = logging.getLogger("firewatch.jobs")

# Logged only when it fails: a line every few seconds would drown the rest.
QUIET_TASKS = frozenset({"retry_stalled_jobs"})


class JobTelemetry:
    """procrastinate's task middlewares, for plain and for async tasks."""

    def __init__(self, instruments: Instruments, tracer: Tracer) -> None:
        self._instruments = instruments
        self._tracer = tracer

    def middleware(self, call_next: Callable[[], Any], context: JobContext, _worker: Worker) -> Any:
        """Run a plain task inside a span whose parent is the request that enqueued it."""
        with self._run(context):
            return call_next()

    async def async_middleware(
        self, call_next: Callable[[], Awaitable[Any]], context: JobContext, _worker: Worker
    ) -> Any:
        """The same for an async task."""
        with self._run(context):
            return await call_next()

    @contextmanager
    def _run(self, context: JobContext) -> Iterator[None]:
        started = time.perf_counter()
        with self._span(context) as span:
            try:
                yield
            except Exception as error:
                span.set_status(Status(StatusCode.ERROR))
                span.set_attribute("error.type", type(error).__qualname__)
                self._failed(context, error, time.perf_counter() - started)
                raise
            self._count(context, "succeeded", time.perf_counter() - started)

    def _span(self, context: JobContext) -> AbstractContextManager[Span]:
        traceparent = str(context.job.task_kwargs.get("traceparent", ""))
        return self._tracer.start_as_current_span(
            f"job {context.job.task_name}",
            context_from(traceparent),
            SpanKind.CONSUMER,
            {
                "messaging.system": "procrastinate",
                "messaging.operation.type": "process",
                "messaging.destination.name": context.job.queue,
                "messaging.message.id": str(context.job.id),
            },
            record_exception=False,
            set_status_on_exception=False,
        )

    def _count(self, context: JobContext, result: str, seconds: float) -> None:
        task = context.job.task_name
        self._instruments.jobs.labels(task, result).inc()
        self._instruments.job_duration.labels(task).observe(seconds)
        enqueued_at = context.job.task_kwargs.get("enqueued_at")
        if result == "succeeded" and isinstance(enqueued_at, int | float):
            self._instruments.job_age.labels(task).observe(max(0.0, time.time() - enqueued_at))
        if result == "succeeded" and task not in QUIET_TASKS:
            log.info("job", extra=_fields(context, result, seconds))

    def _failed(self, context: JobContext, error: Exception, seconds: float) -> None:
        task = context.app.tasks[context.job.task_name]
        retry = task.get_retry_exception(error, context.job)
        result = "retried" if retry else "abandoned"
        self._count(context, result, seconds)
        level = logging.WARNING if retry else logging.ERROR
        log.log(level, "job failed", exc_info=error, extra=_fields(context, result, seconds))
        if not retry:
            capture(error, {"task": context.job.task_name, "job_id": str(context.job.id)})


def _fields(context: JobContext, result: str, seconds: float) -> dict[str, object]:
    return {
        "event.dataset": "firewatch.jobs",
        "event.duration": int(seconds * 1e9),
        "firewatch.job.id": context.job.id,
        "firewatch.job.task": context.job.task_name,
        "firewatch.job.result": result,
        "firewatch.job.attempt": context.job.attempts + 1,
        "firewatch.order.id": context.job.task_kwargs.get("order_id"),
    }
