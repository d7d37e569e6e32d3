"""Writes spans as OTLP JSON, one ExportTraceServiceRequest a line: what the Collector's file
receiver reads, and what can be read back where no trace server runs.

Source of the form: the OTLP specification, "JSON Protobuf Encoding": ids in hex, enums as numbers.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import orjson
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status, format_span_id, format_trace_id
from opentelemetry.util.types import Attributes

# Span.flags of the OTLP specification, beside the W3C trace flags in the lowest byte.
HAS_IS_REMOTE, IS_REMOTE = 0x100, 0x200
NO_SCOPE = InstrumentationScope("")


class OtlpJsonFileExporter(SpanExporter):
    """Appends each batch of spans to ``path`` as one line, in a single write.

    The file is opened for each batch (every few seconds), so a rotated file needs no signal.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        os.close(self._open())  # a path that cannot be written stops the start, not the first span

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        line = orjson.dumps(to_otlp_json(spans), option=orjson.OPT_APPEND_NEWLINE)
        try:
            file = self._open()
            try:
                written = os.write(file, line)
            finally:
                os.close(file)
        except OSError:
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS if written == len(line) else SpanExportResult.FAILURE

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)


def to_otlp_json(spans: Sequence[ReadableSpan]) -> dict[str, Any]:
    """The OTLP JSON object for ``spans``, by resource and scope.

    Written here because protobuf's own way to JSON took a tenth of a busy replica's time; a test
    holds the two equal.
    """
    grouped: dict[Resource, dict[InstrumentationScope, list[dict[str, Any]]]] = {}
    for span in spans:
        scope = span.instrumentation_scope or NO_SCOPE
        grouped.setdefault(span.resource, {}).setdefault(scope, []).append(_span(span))
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(resource.attributes)},
                "scopeSpans": [
                    {"scope": _scope(scope), "spans": encoded} for scope, encoded in scopes.items()
                ],
            }
            for resource, scopes in grouped.items()
        ]
    }


def _scope(scope: InstrumentationScope) -> dict[str, Any]:
    named = {"name": scope.name, "version": scope.version}
    return {key: value for key, value in named.items() if value}


def _span(span: ReadableSpan) -> dict[str, Any]:
    context, parent = span.context, span.parent
    assert context is not None
    encoded: dict[str, Any] = {
        **_ids(context),
        "name": span.name,
        "kind": span.kind.value + 1,  # OTLP counts from 1: 0 says that no kind was given
        "startTimeUnixNano": str(span.start_time),
        "endTimeUnixNano": str(span.end_time),
        "status": _status(span.status),
        "flags": _flags(parent),
    }
    if parent is not None:
        encoded["parentSpanId"] = format_span_id(parent.span_id)
    if context.trace_state:
        encoded["traceState"] = context.trace_state.to_header()
    if span.attributes:
        encoded["attributes"] = _attributes(span.attributes)
    if span.events:
        encoded["events"] = [_event(event) for event in span.events]
    if span.links:
        encoded["links"] = [_link(link) for link in span.links]
    return encoded


def _status(status: Status) -> dict[str, Any]:
    encoded: dict[str, Any] = {}
    if status.status_code.value:
        encoded["code"] = status.status_code.value
    if status.description:
        encoded["message"] = status.description
    return encoded


def _event(event: Event) -> dict[str, Any]:
    encoded = {"timeUnixNano": str(event.timestamp), "name": event.name}
    return {**encoded, **_with_attributes(event.attributes)}


def _link(link: Link) -> dict[str, Any]:
    encoded = {**_ids(link.context), "flags": _flags(link.context)}
    return {**encoded, **_with_attributes(link.attributes)}


def _ids(context: SpanContext) -> dict[str, Any]:
    return {
        "traceId": format_trace_id(context.trace_id),
        "spanId": format_span_id(context.span_id),
    }


def _flags(context: SpanContext | None) -> int:
    return HAS_IS_REMOTE | (IS_REMOTE if context is not None and context.is_remote else 0)


def _with_attributes(attributes: Attributes) -> dict[str, Any]:
    return {"attributes": _attributes(attributes)} if attributes else {}


def _attributes(attributes: Attributes) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in (attributes or {}).items()]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}  # as a string: JSON's numbers lose 64-bit integers
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"arrayValue": {"values": [_value(each) for each in value]}}
