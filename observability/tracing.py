"""OpenTelemetry tracing: parent-based head sampling, decided once a request; W3C context in and out.

Child spans are made only where the request is sampled: ``child_span`` costs one look otherwise.
Spans go by OTLP over HTTP to a collector, or as OTLP JSON lines to a file where there is none.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.environment_variables import OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue
from prometheus_client import Counter

from observability.otlp_file import OtlpJsonFileExporter

PROPAGATOR = TraceContextTextMapPropagator()


@dataclass(frozen=True)
class TracingOptions:
    """Where spans go, and how many: ``sample_ratio`` of new traces, 0 to 1.

    ``otlp_endpoint`` is a collector's base URL; ``trace_file`` a path. With neither, spans are
    made (for their ids) and not kept.
    """

    resource: Mapping[str, str]
    sample_ratio: float
    otlp_endpoint: str | None
    trace_file: str | None


class CountingExporter(SpanExporter):
    """Passes spans on, and counts what was exported and what failed."""

    def __init__(self, inner: SpanExporter, spans: Counter) -> None:
        self._inner = inner
        self._spans = spans

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            result = self._inner.export(spans)
        except Exception:
            self._spans.labels("failed").inc(len(spans))
            raise
        ok = result is SpanExportResult.SUCCESS
        self._spans.labels("exported" if ok else "failed").inc(len(spans))
        return result

    def shutdown(self) -> None:
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._inner.force_flush(timeout_millis)


class Tracing:
    """A tracer, and the way to flush it. Start after fork: its export thread does not survive one."""

    def __init__(self, options: TracingOptions, spans: Counter) -> None:
        self._provider = TracerProvider(
            resource=Resource.create(dict(options.resource)),
            sampler=ParentBased(TraceIdRatioBased(options.sample_ratio)),
            shutdown_on_exit=False,
        )
        self._drops = _DropReader(spans)
        exporter = _exporter(options)
        if exporter is not None:
            counting = CountingExporter(exporter, spans)
            processor = BatchSpanProcessor(counting, meter_provider=self._drops.meter_provider)
            self._provider.add_span_processor(processor)
        self.tracer: Tracer = self._provider.get_tracer("firewatch")

    def count_drops(self) -> None:
        """Bring the count of spans dropped by a full queue up to date; called at each scrape."""
        self._drops.update()

    def close(self) -> None:
        """Export all that is queued (bounded by the SDK's own time-outs), then stop."""
        self._provider.shutdown()
        self._drops.update()


class _DropReader:
    """Reads how many spans the SDK's batch processor dropped, from the SDK's own metrics."""

    def __init__(self, spans: Counter) -> None:
        os.environ.setdefault(OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED, "true")
        self._reader = InMemoryMetricReader()
        self.meter_provider = MeterProvider([self._reader], shutdown_on_exit=False)
        self._dropped = spans.labels("dropped")
        self._seen = 0

    def update(self) -> None:
        total = sum(self._points())
        self._dropped.inc(max(0, total - self._seen))
        self._seen = max(self._seen, total)

    def _points(self) -> Iterator[int]:
        data = self._reader.get_metrics_data()
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name == "otel.sdk.processor.span.processed":
                        for point in metric.data.data_points:
                            if "error.type" in (point.attributes or {}):
                                yield int(getattr(point, "value", 0))


def _exporter(options: TracingOptions) -> SpanExporter | None:
    if options.otlp_endpoint:
        return OTLPSpanExporter(endpoint=f"{options.otlp_endpoint.rstrip('/')}/v1/traces")
    if options.trace_file:
        return OtlpJsonFileExporter(options.trace_file)
    return None


def context_from(traceparent: str, tracestate: str = "") -> Context:
    """The remote parent that W3C headers name; an empty context when they are malformed."""
    return PROPAGATOR.extract({"traceparent": traceparent, "tracestate": tracestate}, Context())


def current_traceparent() -> str:
    """The W3C ``traceparent`` of the current span, or '' outside one."""
    carrier: dict[str, str] = {}
    PROPAGATOR.inject(carrier)
    return carrier.get("traceparent", "")


@contextmanager
def child_span(
    tracer: Tracer, name: str, kind: SpanKind, attributes: Mapping[str, AttributeValue]
) -> Iterator[None]:
    """A span around the block where the current one is sampled; else nothing at all."""
    if not trace.get_current_span().is_recording():
        yield
        return
    with tracer.start_as_current_span(
        name,
        kind=kind,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield
        except Exception as error:
            # The type only: a database's message can hold a customer's values.
            span.set_attribute("error.type", type(error).__qualname__)
            span.set_status(Status(StatusCode.ERROR))
            raise
