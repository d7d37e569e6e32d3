"""What is asked of Prometheus, against an HTTP stand-in that answers by query."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from loadtest.prometheus import Prometheus, PrometheusError, Window, server_figures
from loadtest.targets import TARGETS


def _prometheus(answer: Callable[[str], float | None]) -> Prometheus:
    def handle(request: httpx.Request) -> httpx.Response:
        value = answer(request.url.params["query"])
        result = [] if value is None else [{"value": [0, str(value)]}]
        return httpx.Response(200, json={"status": "success", "data": {"result": result}})

    return Prometheus("http://prometheus", httpx.Client(transport=httpx.MockTransport(handle)))


def test_every_figure_is_read_over_the_same_window() -> None:
    asked: list[str] = []

    def answer(query: str) -> float:
        asked.append(query)
        return float(len(asked))

    figures = server_figures(_prometheus(answer), Window(100.0, 130.5), TARGETS)
    assert sorted(vars(figures).values()) == [1, 2, 3, 4, 5, 6]
    assert all("@ 100.000" in query and "@ 130.500" in query for query in asked)


def test_the_share_in_time_is_counted_by_the_bucket_of_the_target_itself() -> None:
    def answer(query: str) -> float:
        return 0.75 if 'le="0.2"' in query and "histogram_quantile" not in query else 0.0

    figures = server_figures(_prometheus(answer), Window(1, 2), TARGETS)
    assert figures.share_in_time == 0.75


def test_a_figure_without_data_is_no_number() -> None:
    figures = server_figures(_prometheus(lambda _: None), Window(1, 2), TARGETS)
    assert all(math.isnan(value) for value in vars(figures).values())


def test_it_waits_until_the_oldest_replicas_scrape_is_newer_than_the_call() -> None:
    clock = [1000.0]
    scraped = iter([999.0, 1000.2, 1000.4])

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    prometheus = _prometheus(lambda _: next(scraped))
    assert prometheus.wait_for_scrape(sleep=sleep, clock=lambda: clock[0]) == 1001.0


@pytest.mark.parametrize("oldest", [999.0, None])
def test_a_scrape_that_never_comes_is_an_error(oldest: float | None) -> None:
    clock = [1000.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    with pytest.raises(PrometheusError, match="has scraped no replica"):
        _prometheus(lambda _: oldest).wait_for_scrape(5, sleep=sleep, clock=lambda: clock[0])


@pytest.mark.parametrize(
    "response",
    [httpx.Response(200, text="no JSON"), httpx.ConnectError("refused")],
    ids=["no JSON", "nobody there"],
)
def test_a_server_that_is_no_prometheus_is_named(response: Any) -> None:
    def handle(_: httpx.Request) -> httpx.Response:
        if isinstance(response, Exception):
            raise response
        return httpx.Response(200, text="no JSON")

    client = httpx.Client(transport=httpx.MockTransport(handle))
    with pytest.raises(PrometheusError, match="Prometheus at http://here does not answer"):
        Prometheus("http://here/", client).value("up")


def test_a_refused_query_is_told_with_the_reason() -> None:
    refusal = {"status": "error", "error": "parse error"}
    transport = httpx.MockTransport(lambda _: httpx.Response(400, json=refusal))
    with pytest.raises(PrometheusError, match="parse error"):
        Prometheus("http://here", httpx.Client(transport=transport)).value("up{")
