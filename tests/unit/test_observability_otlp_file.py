"""Spans as OTLP JSON lines: held equal to what OpenTelemetry's own encoder and protobuf make."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from observability.otlp_file import OtlpJsonFileExporter, to_otlp_json
from observability.tracing import context_from

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ID_FIELDS = ("traceId", "spanId", "parentSpanId")


def by_protobuf(spans: list[ReadableSpan]) -> Any:
    """The official encoding, with the ids in hex, as OTLP asks for."""
    message = MessageToDict(encode_spans(spans), use_integers_for_enums=True)

    def mend(value: Any) -> Any:
        if isinstance(value, list):
            return [mend(each) for each in value]
        if isinstance(value, dict):
            return {
                key: base64.b64decode(each).hex() if key in ID_FIELDS else mend(each)
                for key, each in value.items()
            }
        return value

    return mend(message)


@pytest.fixture
def spans() -> list[ReadableSpan]:
    """Spans with all that a span can have, of two scopes, one with a remote parent."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "shop", "cores": 2}))
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer, other = provider.get_tracer("firewatch"), provider.get_tracer("other", "1.2")
    attributes: dict[str, AttributeValue] = {
        "text": "ä",
        "yes": True,
        "n": 2**53 + 1,
        "part": 0.25,
        "list": ["a", "b"],
    }
    parent = context_from(PARENT, "vendor=1")
    with tracer.start_as_current_span("edge", parent, SpanKind.SERVER, attributes) as edge:
        edge.add_event("retry", {"attempt": 2})
        edge.add_event("bare")
        link = Link(edge.get_span_context(), {"why": "batch"})
        with other.start_as_current_span("sql", kind=SpanKind.CLIENT, links=[link]) as child:
            child.set_status(Status(StatusCode.ERROR, "gone"))
    with tracer.start_as_current_span("root") as root:
        root.set_status(Status(StatusCode.OK))
    return list(kept.get_finished_spans())


def test_our_encoding_equals_protobufs(spans: list[ReadableSpan]) -> None:
    assert to_otlp_json(spans) == by_protobuf(spans)


def test_each_batch_is_one_line_of_json(spans: list[ReadableSpan], tmp_path: Path) -> None:
    exporter = OtlpJsonFileExporter(str(tmp_path / "traces.jsonl"))
    assert exporter.export(spans[:1]) is SpanExportResult.SUCCESS
    assert exporter.export(spans) is SpanExportResult.SUCCESS
    lines = (tmp_path / "traces.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [by_protobuf(spans[:1]), by_protobuf(spans)]


def test_a_rotated_file_is_begun_anew(spans: list[ReadableSpan], tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"
    exporter = OtlpJsonFileExporter(str(path))
    path.rename(tmp_path / "traces.jsonl.1")
    assert exporter.export(spans) is SpanExportResult.SUCCESS
    assert path.read_text().count("\n") == 1


def test_a_file_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        OtlpJsonFileExporter(str(tmp_path / "missing" / "traces.jsonl"))


def test_a_file_that_went_away_fails_the_export_and_not_the_request(
    spans: list[ReadableSpan], tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    exporter = OtlpJsonFileExporter(str(folder / "traces.jsonl"))
    (folder / "traces.jsonl").unlink()
    folder.rmdir()
    assert exporter.export(spans) is SpanExportResult.FAILURE
