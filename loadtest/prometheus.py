"""What Prometheus saw in the timed window, by differences of counters between two scrapes.

``increase()`` extrapolates to the edges of its range. Here traffic rests until every replica has
been scraped, before the window and after it, so plain differences are exact.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from loadtest.figures import NO_DATA, ServerFigures
from loadtest.targets import Targets
from observability.contract import CACHE_REQUESTS, DB_QUERY_DURATION, HTTP_DURATION, HTTP_REQUESTS

WEB = 'job="web"'
# Health checks by nginx, probes and people are no customers.
CUSTOMERS = f'{WEB}, route=~"/api/.*"'
# An honest customer's request that is refused by a limit is as lost as one that broke.
FAILED = f'{CUSTOMERS}, status=~"5..|429"'
SETTLE_SECONDS = 0.3


class PrometheusError(Exception):
    """Prometheus does not answer, or does not know the replicas; the message says which."""


@dataclass(frozen=True)
class Window:
    """Two moments (Unix seconds), each later than a scrape that saw all traffic before it."""

    start: float
    end: float

    def grown(self, series: str) -> str:
        """PromQL: how far each series of ``series`` rose; one that is new rose from zero."""
        start, end = f"@ {self.start:.3f}", f"@ {self.end:.3f}"
        return f"({series} {end} - ({series} {start} or {series} {end} * 0))"


class Prometheus:
    """A reader of one Prometheus server's HTTP API."""

    def __init__(self, base_url: str, client: httpx.Client | None = None) -> None:
        self._base_url = base_url.rstrip("/")
        self._client = client or httpx.Client(timeout=10)

    def value(self, query: str) -> float:
        """The query's only value; NaN when it has none.

        Raises:
            PrometheusError: when the server does not answer, or refuses the query.
        """
        try:
            answer = self._client.get(f"{self._base_url}/api/v1/query", params={"query": query})
            body = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise PrometheusError(
                f"Prometheus at {self._base_url} does not answer: {error}"
            ) from None
        if body.get("status") != "success":
            raise PrometheusError(f"Prometheus refused {query!r}: {body.get('error')}")
        result = body["data"]["result"]
        return float(result[0]["value"][1]) if result else NO_DATA

    def wait_for_scrape(
        self,
        timeout_seconds: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> float:
        """Wait until every replica was scraped after now; returns a moment after that.

        Raises:
            PrometheusError: when that does not happen in time, or no replica is up.
        """
        since = clock() + SETTLE_SECONDS
        while not self._oldest_scrape() > since:
            if clock() > since + timeout_seconds:
                raise PrometheusError(
                    f"Prometheus at {self._base_url} has scraped no replica ({WEB}, up) "
                    f"for {timeout_seconds:g} s."
                )
            sleep(0.5)
        return clock()

    def _oldest_scrape(self) -> float:
        # timestamp() tells a sample's own time of a bare selector only: of an expression such as
        # ``up == 1`` it is the moment of asking.
        return self.value(f"min(timestamp(up{{{WEB}}}) and up{{{WEB}}} == 1)")


def server_figures(prometheus: Prometheus, window: Window, targets: Targets) -> ServerFigures:
    """The service's own figures of the window, customers' requests only."""
    requests = HTTP_DURATION.name
    bound = f'{CUSTOMERS}, le="{targets.response_seconds:g}"'
    in_time = f"sum({window.grown(f'{requests}_bucket{{{bound}}}')})"
    count = f"sum({window.grown(f'{requests}_count{{{CUSTOMERS}}}')})"
    answered = f"sum({window.grown(f'{HTTP_REQUESTS.name}{{{CUSTOMERS}}}')})"
    failed = f"(sum({window.grown(f'{HTTP_REQUESTS.name}{{{FAILED}}}')}) or vector(0))"
    buckets = f"sum by (le) ({window.grown(f'{requests}_bucket{{{CUSTOMERS}}}')})"
    queries = DB_QUERY_DURATION.name
    spent = f"sum({window.grown(f'{queries}_sum{{{WEB}}}')})"
    asked = f"sum({window.grown(f'{queries}_count{{{WEB}}}')})"
    lookups = CACHE_REQUESTS.name
    hit_series = f'{lookups}{{{WEB}, result="hit"}}'
    hits = f"sum({window.grown(hit_series)})"
    all_lookups = f"sum({window.grown(f'{lookups}{{{WEB}}}')})"
    return ServerFigures(
        requests=prometheus.value(count),
        error_share=prometheus.value(f"{failed} / scalar({answered})"),
        p95_seconds=prometheus.value(f"histogram_quantile({targets.response_share:g}, {buckets})"),
        share_in_time=prometheus.value(f"{in_time} / {count}"),
        query_mean_seconds=prometheus.value(f"{spent} / {asked}"),
        cache_hit_share=prometheus.value(f"{hits} / {all_lookups}"),
    )
