"""Tracing: how many traces are kept, where spans go, and that none is lost uncounted."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, get_current_span

from observability import tracing
from observability.instruments import Instruments
from observability.tracing import (
    Tracing,
    TracingOptions,
    child_span,
    context_from,
    current_traceparent,
)
from tests.unit.service_support import catcher

TRACE = "0af7651916cd43dd8448eb211c80319c"
RESOURCE = {"service.name": "firewatch-web"}


class Traced:
    """A Tracing, and what it counted."""

    def __init__(self, ratio: float, endpoint: str | None = None, file: str | None = None) -> None:
        self._instruments = Instruments()
        options = TracingOptions(RESOURCE, ratio, endpoint, file)
        self.tracing = Tracing(options, self._instruments.spans)

    def counted(self, result: str) -> float:
        value = self._instruments.registry.get_sample_value(
            "telemetry_spans_total", {"result": result}
        )
        assert value is not None
        return value

    def make(self, count: int) -> None:
        for number in range(count):
            self.tracing.tracer.start_span(f"s{number}").end()


@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.5, 1.0])
def test_new_traces_are_kept_by_their_id_in_the_ratio_asked_for(ratio: float) -> None:
    tracer = Traced(ratio).tracing.tracer
    for _ in range(300):
        span = tracer.start_span("s")
        # Of the id alone, so that every service that uses this ratio decides alike.
        low = span.get_span_context().trace_id & (2**64 - 1)
        assert span.is_recording() == (low < ratio * 2**64)


@pytest.mark.parametrize(("flag", "ratio"), [("01", 0.0), ("00", 1.0)])
def test_the_parents_decision_beats_the_ratio(flag: str, ratio: float) -> None:
    context = context_from(f"00-{TRACE}-b7ad6b7169203331-{flag}")
    span = Traced(ratio).tracing.tracer.start_span("s", context)
    assert span.is_recording() is (flag == "01")
    assert format(span.get_span_context().trace_id, "032x") == TRACE


@pytest.mark.parametrize("junk", ["", "x", f"00-{TRACE}-short-01", f"00-{'0' * 32}-{'1' * 16}-01"])
def test_a_malformed_traceparent_is_no_parent(junk: str) -> None:
    assert not get_current_span(context_from(junk)).get_span_context().is_valid


def test_what_goes_out_comes_in_as_the_same_span() -> None:
    assert current_traceparent() == ""
    with Traced(1.0).tracing.tracer.start_as_current_span("s") as span:
        sent = current_traceparent()
        assert int(sent[-2:], 16) & 1  # sampled
    received = get_current_span(context_from(sent)).get_span_context()
    assert received.span_id == span.get_span_context().span_id
    assert received.trace_id == span.get_span_context().trace_id


def spans_in(path: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [
        span
        for line in lines
        for resource in line["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


def test_a_child_is_made_where_the_request_is_sampled_and_nowhere_else(tmp_path: Path) -> None:
    kept = Traced(1.0, file=str(tmp_path / "kept"))
    unkept = Traced(0.0, file=str(tmp_path / "unkept"))
    for traced in (kept, unkept):
        tracer = traced.tracing.tracer
        with tracer.start_as_current_span("request"):
            before = get_current_span()
            with child_span(tracer, "sql x", SpanKind.CLIENT, {"db.system.name": "postgresql"}):
                assert (get_current_span() is before) is (traced is unkept)
        traced.tracing.close()
    assert [span["name"] for span in spans_in(tmp_path / "kept")] == ["sql x", "request"]
    assert spans_in(tmp_path / "unkept") == []


def test_a_child_that_fails_tells_the_kind_of_error_and_no_value(tmp_path: Path) -> None:
    traced = Traced(1.0, file=str(tmp_path / "traces"))
    tracer = traced.tracing.tracer
    with (
        tracer.start_as_current_span("request"),
        pytest.raises(ValueError, match="hunter2"),
        child_span(tracer, "sql x", SpanKind.CLIENT, {}),
    ):
        raise ValueError("hunter2")
    traced.tracing.close()
    (child, _request) = spans_in(tmp_path / "traces")
    assert child["status"]["code"] == 2
    assert {"key": "error.type", "value": {"stringValue": "ValueError"}} in child["attributes"]
    assert "hunter2" not in (tmp_path / "traces").read_text()


def test_at_the_end_all_that_waits_is_exported_and_counted(tmp_path: Path) -> None:
    traced = Traced(1.0, file=str(tmp_path / "traces"))
    traced.make(5)
    traced.tracing.close()
    assert len(spans_in(tmp_path / "traces")) == traced.counted("exported") == 5
    assert traced.counted("failed") == traced.counted("dropped") == 0


def test_spans_that_cannot_be_written_are_counted_as_failed(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    traced = Traced(1.0, file=str(folder / "traces"))
    folder.rename(tmp_path / "away")
    traced.make(3)
    traced.tracing.close()
    assert (traced.counted("failed"), traced.counted("exported")) == (3, 0)


class Stuck(SpanExporter):
    """Waits with the first batch until ``go_on``."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        assert self.go_on.wait(10)
        return SpanExportResult.SUCCESS


def test_spans_beyond_a_full_queue_are_counted_as_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "4")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")
    stuck = Stuck()
    monkeypatch.setattr(tracing, "_exporter", lambda _options: stuck)
    traced = Traced(1.0)
    traced.make(20)
    traced.tracing.count_drops()
    dropped = traced.counted("dropped")
    assert dropped >= 12  # at most four are in hand and four wait
    traced.tracing.count_drops()
    assert traced.counted("dropped") == dropped  # looked at twice, counted once
    stuck.go_on.set()
    traced.tracing.close()
    assert traced.counted("exported") + traced.counted("dropped") == 20


def test_an_exporter_that_raises_is_counted_as_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            raise RuntimeError("broken")

    monkeypatch.setattr(tracing, "_exporter", lambda _options: Broken())
    traced = Traced(1.0)
    traced.make(2)
    traced.tracing.close()
    assert traced.counted("failed") == 2


@pytest.mark.parametrize("end", ["", "/"])
def test_with_an_endpoint_spans_are_posted_to_the_collector(end: str) -> None:
    with catcher() as collector:
        traced = Traced(1.0, endpoint=f"http://127.0.0.1:{collector.server_port}{end}")
        traced.make(2)
        traced.tracing.close()
    ((path, body),) = collector.posts
    assert path == "/v1/traces"
    assert b"firewatch-web" in body
    assert traced.counted("exported") == 2
