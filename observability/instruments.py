"""Prometheus instruments, built from the contract: one object a process, on a registry of its own.

No global registry: each application (and each test) has its own, so nothing is shared by accident.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

from observability import contract
from observability.contract import Metric


class Instruments:
    """Every metric of the contract, ready to be counted, as attributes named after what they count.

    ``registry`` is what ``/metrics`` shows. Units and labels: ``observability/contract.py``.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.http_requests = self._counter(contract.HTTP_REQUESTS)
        self.http_duration = self._histogram(contract.HTTP_DURATION)
        self.http_in_flight = self._gauge(contract.HTTP_IN_FLIGHT)
        self.db_query_duration = self._histogram(contract.DB_QUERY_DURATION)
        self.db_pool_wait = self._histogram(contract.DB_POOL_WAIT)
        self.db_errors = self._counter(contract.DB_ERRORS)
        self.db_fallback_reads = self._counter(contract.DB_FALLBACK_READS)
        self.cache_requests = self._counter(contract.CACHE_REQUESTS)
        self.cache_duration = self._histogram(contract.CACHE_DURATION)
        self.jobs = self._counter(contract.JOBS)
        self.job_duration = self._histogram(contract.JOB_DURATION)
        self.job_age = self._histogram(contract.JOB_AGE)
        self.orders = self._counter(contract.ORDERS)
        self.orders_refused = self._counter(contract.ORDERS_REFUSED)
        self.revenue = self._counter(contract.REVENUE)
        self.active_users = self._gauge(contract.ACTIVE_USERS)
        self.sign_ins = self._counter(contract.SIGN_INS)
        self.rate_limited = self._counter(contract.RATE_LIMITED)
        self.bans = self._counter(contract.BANS)
        self.limiter_errors = self._counter(contract.LIMITER_ERRORS)
        self.exceptions = self._counter(contract.EXCEPTIONS)
        self.spans = self._counter(contract.SPANS)
        self.log_lines = self._counter(contract.LOG_LINES)
        self.build_info = self._gauge(contract.BUILD_INFO)
        self._start_at_zero()

    def _counter(self, metric: Metric) -> Counter:
        return Counter(metric.name, metric.help, metric.labels, registry=self.registry)

    def _gauge(self, metric: Metric) -> Gauge:
        return Gauge(metric.name, metric.help, metric.labels, registry=self.registry)

    def _histogram(self, metric: Metric) -> Histogram:
        return Histogram(
            metric.name, metric.help, metric.labels, registry=self.registry, buckets=metric.buckets
        )

    def _start_at_zero(self) -> None:
        # A series that appears only with its first failure has no rate at that moment:
        # increase() needs a zero before the one.
        for result in ("succeeded", "failed", "banned"):
            self.sign_ins.labels(result)
        for result in ("exported", "failed", "dropped"):
            self.spans.labels(result)
        for result in ("written", "dropped"):
            self.log_lines.labels(result)

    def set_build_info(self, version: str, slot: str, environment: str) -> None:
        """Show which version runs here."""
        self.build_info.labels(version, slot, environment).set(1)

    def watch_active_users(self, count: Callable[[], float]) -> None:
        """Ask ``count`` at each scrape for the number of active users (NaN when unknown)."""
        self.active_users.set_function(count)
