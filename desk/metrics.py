"""What the desk tells Prometheus about itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client import Counter as CounterMetric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from desk import core
from desk.store import Store


class _Board(Collector):
    """Gauges read from the store when scraped, so that a restart cannot make them lie."""

    def __init__(self, store: Store, judge: Callable[[], core.Watchdog]) -> None:
        self._store = store
        self._judge = judge

    def describe(self) -> Iterator[GaugeMetricFamily]:
        # Registering must not read the store.
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        firing = GaugeMetricFamily(
            "firewatch_desk_alerts_firing",
            "Alerts firing now, but for the Watchdog.",
            labels=["severity"],
        )
        counts = Counter(core.severity(episode) for episode in self._store.firing())
        for severity in core.SEVERITIES:
            firing.add_metric([severity], counts[severity])
        yield firing
        yield from self._watchdog()

    def _watchdog(self) -> Iterator[GaugeMetricFamily]:
        judged = self._judge()
        silent = GaugeMetricFamily(
            "firewatch_desk_watchdog_silent", "1 when the dead man's switch has tripped."
        )
        silent.add_metric([], judged.state == "silent")
        yield silent
        # No age before the first heartbeat: a number would be invented.
        if judged.age_seconds is not None:
            age = GaugeMetricFamily(
                "firewatch_desk_watchdog_age_seconds", "Seconds since the Watchdog was heard."
            )
            age.add_metric([], judged.age_seconds)
            yield age


class DeskMetrics:
    """The desk's own registry, one an application."""

    def __init__(self, store: Store, judge: Callable[[], core.Watchdog]) -> None:
        self.registry = CollectorRegistry()
        self.notifications = CounterMetric(
            "firewatch_desk_notifications",
            "Notifications received, by what became of them.",
            ["status"],
            registry=self.registry,
        )
        for status in ("firing", "resolved", "refused", "failed"):
            self.notifications.labels(status)
        self.registry.register(_Board(store, judge))
