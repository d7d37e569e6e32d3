"""Starts and stops all telemetry of one process: metrics, logs, traces, errors, in visible order."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import start_http_server
from prometheus_client.core import Metric as PrometheusMetric
from prometheus_client.registry import Collector

from observability.errors import close_errors, start_errors
from observability.instruments import Instruments
from observability.logs import start_logging
from observability.tracing import Tracing, TracingOptions

log = logging.getLogger("firewatch.telemetry")


@dataclass(frozen=True)
class TelemetryOptions:
    """Who this process is, and where its telemetry goes.

    ``metrics_address`` is (host, port), or None to serve no metrics.
    """

    service: str
    version: str
    environment: str
    instance: str
    slot: str
    log_level: str
    log_file: str | None
    sample_ratio: float
    otlp_endpoint: str | None
    trace_file: str | None
    sentry_dsn: str | None
    metrics_address: tuple[str, int] | None


class Telemetry:
    """All telemetry of one process. Make it after fork: it starts threads."""

    def __init__(self, options: TelemetryOptions) -> None:
        self.instruments = Instruments()
        self.instruments.set_build_info(options.version, options.slot, options.environment)
        self._logs = start_logging(
            log_fields(options),
            options.log_level,
            options.log_file,
            lambda result, lines: self.instruments.log_lines.labels(result).inc(lines),
        )
        self._tracing = Tracing(_tracing_options(options), self.instruments.spans)
        self.tracer = self._tracing.tracer
        self.instruments.registry.register(_BeforeScrape(self._tracing))
        start_errors(options.sentry_dsn, options.environment, options.version, options.instance)
        self._metrics = _serve_metrics(options.metrics_address, self.instruments)

    def close(self) -> None:
        """Flush traces, then errors, then logs (so that their own complaints are kept), then stop."""
        self._tracing.close()
        close_errors()
        if self._metrics is not None:
            server, thread = self._metrics
            server.shutdown()
            server.server_close()
            thread.join(timeout=2)
        log.info("telemetry closed")
        self._logs.close()
        logging.getLogger().removeHandler(self._logs)


class _BeforeScrape(Collector):
    """Yields no metric of its own; being collected is its signal to bring drop counts up to date."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    def describe(self) -> Iterator[PrometheusMetric]:
        yield from ()

    def collect(self) -> Iterator[PrometheusMetric]:
        self._tracing.count_drops()
        yield from ()


def _serve_metrics(
    address: tuple[str, int] | None, instruments: Instruments
) -> tuple[WSGIServer, Thread] | None:
    if address is None:
        return None
    host, port = address
    return start_http_server(port, addr=host, registry=instruments.registry)


def log_fields(options: TelemetryOptions) -> dict[str, str]:
    """The ECS fields that every line of this process carries."""
    return {
        "service.name": options.service,
        "service.version": options.version,
        "service.environment": options.environment,
        "service.node.name": options.instance,
    }


def _tracing_options(options: TelemetryOptions) -> TracingOptions:
    resource = {
        "service.name": options.service,
        "service.version": options.version,
        "service.instance.id": options.instance,
        "deployment.environment.name": options.environment,
    }
    return TracingOptions(resource, options.sample_ratio, options.otlp_endpoint, options.trace_file)
