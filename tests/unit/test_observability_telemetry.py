"""All telemetry of one process: what is scraped from its port, and what is kept at its end."""

from __future__ import annotations

import json
import logging
import socket
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from observability.telemetry import Telemetry, TelemetryOptions
from stack.processes import free_ports

OPTIONS = TelemetryOptions(
    service="firewatch-web",
    version="1.2.3",
    environment="staging",
    instance="web-1",
    slot="green",
    log_level="INFO",
    log_file=None,
    sample_ratio=1.0,
    otlp_endpoint=None,
    trace_file=None,
    sentry_dsn=None,
    metrics_address=None,
)


@pytest.fixture
def options(tmp_path: Path) -> TelemetryOptions:
    return replace(
        OPTIONS,
        log_file=str(tmp_path / "log"),
        trace_file=str(tmp_path / "traces"),
        metrics_address=("127.0.0.1", free_ports(1)[0]),
    )


def scrape(options: TelemetryOptions, accept: str) -> tuple[str, str]:
    """(media type, text) of /metrics."""
    assert options.metrics_address is not None
    host, port = options.metrics_address
    asked = urllib.request.Request(f"http://{host}:{port}/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(asked, timeout=5) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def test_prometheus_gets_exemplars_when_it_asks_for_openmetrics(options: TelemetryOptions) -> None:
    telemetry = Telemetry(options)
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    duration = telemetry.instruments.http_duration.labels("GET", "/x")
    duration.observe(0.07, {"trace_id": trace_id})
    kind, text = scrape(options, "application/openmetrics-text; version=1.0.0")
    plain_kind, plain = scrape(options, "text/plain")
    telemetry.close()
    assert kind.startswith("application/openmetrics-text")
    assert plain_kind.startswith("text/plain")
    assert [line for line in text.splitlines() if trace_id in line and 'le="0.1"' in line]
    assert trace_id not in plain
    assert 'firewatch_build_info{environment="staging",slot="green",version="1.2.3"} 1.0' in plain


def test_the_end_keeps_spans_and_lines_and_frees_the_port(options: TelemetryOptions) -> None:
    telemetry = Telemetry(options)
    with telemetry.tracer.start_as_current_span("last"):
        logging.getLogger("firewatch.x").info("said at the end")
    telemetry.close()
    assert options.log_file is not None
    assert options.trace_file is not None
    lines = [json.loads(line) for line in Path(options.log_file).read_text().splitlines()]
    (spans,) = [json.loads(line) for line in Path(options.trace_file).read_text().splitlines()]
    (span,) = spans["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert [line["message"] for line in lines] == ["said at the end", "telemetry closed"]
    assert lines[0]["trace.id"] == span["traceId"]
    assert {lines[0][name] for name in ("service.name", "service.node.name")} == {
        "firewatch-web",
        "web-1",
    }
    assert options.metrics_address is not None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(options.metrics_address, timeout=1)


def test_lines_and_spans_are_counted_where_prometheus_looks(options: TelemetryOptions) -> None:
    telemetry = Telemetry(options)
    telemetry.tracer.start_span("one").end()
    logging.getLogger("firewatch.x").error("written at once")
    telemetry.close()
    value = telemetry.instruments.registry.get_sample_value
    assert value("telemetry_spans_total", {"result": "exported"}) == 1
    assert value("telemetry_log_lines_total", {"result": "written"}) == 2
