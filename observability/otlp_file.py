"""Writes spans as OTLP JSON, one ExportTraceServiceRequest a line: what the Collector's file
receiver reads, and what can be read back where no trace server runs.

Source of the form: the OTLP specification, "JSON Protobuf Encoding": ids in hex, enums as numbers.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from typing import Any

import orjson
from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

ID_FIELDS = ("traceId", "spanId", "parentSpanId")


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
    """The OTLP JSON object for ``spans``."""
    message = MessageToDict(encode_spans(spans), use_integers_for_enums=True)
    for resource in message["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                _ids_to_hex(span)
                for link in span.get("links", ()):
                    _ids_to_hex(link)
    return dict(message)


def _ids_to_hex(record: dict[str, Any]) -> None:
    # protobuf's JSON form writes bytes as base64; OTLP asks for hex in exactly these fields.
    for field in ID_FIELDS:
        if field in record:
            record[field] = base64.b64decode(record[field]).hex()
