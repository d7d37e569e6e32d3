"""The verdict: each objective from both sides of its limit, and what makes a run invalid."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from loadtest.figures import (
    ClientFigures,
    GeneratorFigures,
    Line,
    Sample,
    ServerFigures,
    per_second,
    percentile,
    progress_line,
    summarise,
)
from loadtest.punctuality import Punctuality, Timing, generator_figures, punctuality
from loadtest.targets import TARGETS
from loadtest.verdict import Outcome, Verdict, judge
from observability.contract import (
    DB_QUERY_DURATION,
    HTTP_DURATION,
    LATENCY_TARGET_SECONDS,
    QUERY_TARGET_SECONDS,
)

LINE = Line("all", requests=10_000, errors=0, p50=0.01, p95=0.1, p99=0.15, worst=0.3)
CLIENT = ClientFigures(
    asked_rate=1000,
    achieved_rate=1000,
    duration_seconds=10,
    elapsed_seconds=10,
    total=LINE,
    lines=(LINE,),
)
GENERATOR = GeneratorFigures(
    processes=1, cpu_share=0.3, late_share=0.0, worst_late_seconds=0.01, found_no_free_user=0
)
SERVER = ServerFigures(
    requests=10_000,
    error_share=0.0,
    p95_seconds=0.09,
    share_in_time=0.99,
    query_mean_seconds=0.002,
    cache_hit_share=0.97,
)


def _judged(**changes: Any) -> Verdict:
    """The verdict on a healthy run with these figures changed, whatever group they belong to."""

    def changed(group: Any) -> Any:
        return replace(group, **{k: v for k, v in changes.items() if hasattr(group, k)})

    client = replace(changed(CLIENT), total=changed(LINE)) if "total" not in changes else CLIENT
    return judge(client, changed(GENERATOR), changed(SERVER), TARGETS)


def _broken(**changes: Any) -> list[str]:
    return [check.name for check in _judged(**changes).broken]


def test_a_healthy_run_passes() -> None:
    assert _judged().outcome is Outcome.PASS


def test_the_outcome_is_the_exit_code() -> None:
    assert (Outcome.PASS, Outcome.FAIL, Outcome.INVALID) == (0, 1, 2)


@pytest.mark.parametrize(
    ("figure", "good", "bad", "check"),
    [
        ("p95", 0.1999, 0.2, "p95 seen by clients"),
        ("achieved_rate", 970, 969.9, "rate of good answers seen by clients"),
        ("errors", 9, 10, "errors seen by clients"),
        ("error_share", 0.00099, 0.001, "errors by Prometheus"),
        ("p95_seconds", 0.1999, 0.2, "p95 by Prometheus"),
        ("share_in_time", 0.95, 0.9499, "answered within 200 ms"),
        ("query_mean_seconds", 0.0499, 0.05, "mean database query"),
        ("cache_hit_share", 0.9, 0.8999, "cache hits"),
    ],
)
def test_each_objective_holds_on_one_side_of_its_limit_and_breaks_alone_on_the_other(
    figure: str, good: float, bad: float, check: str
) -> None:
    if figure == "error_share":  # the client's is computed of its counts
        judged = [
            judge(CLIENT, GENERATOR, replace(SERVER, error_share=v), TARGETS) for v in (good, bad)
        ]
    else:
        judged = [_judged(**{figure: good}), _judged(**{figure: bad})]
    assert judged[0].outcome is Outcome.PASS
    assert judged[1].outcome is Outcome.FAIL
    assert [broken.name for broken in judged[1].broken] == [check]


@pytest.mark.parametrize(("counted", "outcome"), [(9_900, Outcome.PASS), (10_101, Outcome.FAIL)])
def test_counts_of_client_and_prometheus_may_lie_one_per_cent_apart(
    counted: float, outcome: Outcome
) -> None:
    server = replace(SERVER, requests=counted)
    assert judge(CLIENT, GENERATOR, server, TARGETS).outcome is outcome


def test_a_rate_that_prometheus_did_not_see_fails_from_its_side() -> None:
    server = replace(SERVER, requests=9_699)
    broken = [check.name for check in judge(CLIENT, GENERATOR, server, TARGETS).broken]
    assert "rate by Prometheus" in broken


@pytest.mark.parametrize(
    ("figure", "good", "bad"), [("cpu_share", 0.9, 0.901), ("late_share", 0.01, 0.0101)]
)
def test_a_saturated_generator_makes_the_run_invalid(figure: str, good: float, bad: float) -> None:
    assert _judged(**{figure: good}).outcome is Outcome.PASS
    assert _judged(**{figure: bad}).outcome is Outcome.INVALID


def test_a_saturated_generator_outweighs_a_broken_objective_and_is_named() -> None:
    assert _judged(cpu_share=1.0, p95=5.0).outcome is Outcome.INVALID
    assert _broken(cpu_share=1.0, p95=5.0) == ["busiest generator's CPU, of a core"]


@pytest.mark.parametrize(
    "figure",
    ["error_share", "p95_seconds", "share_in_time", "query_mean_seconds", "cache_hit_share"],
)
def test_no_data_is_never_a_pass(figure: str) -> None:
    server = replace(SERVER, **{figure: math.nan})
    assert judge(CLIENT, GENERATOR, server, TARGETS).outcome is Outcome.FAIL


def test_without_prometheus_only_the_clients_figures_count() -> None:
    verdict = judge(CLIENT, GENERATOR, None, TARGETS)
    assert verdict.outcome is Outcome.PASS
    assert not [check.name for check in verdict.service if "Prometheus" in check.name]


def test_the_limits_are_the_contracts_and_exact_bucket_bounds() -> None:
    assert TARGETS.response_seconds == LATENCY_TARGET_SECONDS
    assert TARGETS.query_mean_seconds == QUERY_TARGET_SECONDS
    assert TARGETS.response_seconds in HTTP_DURATION.buckets
    assert TARGETS.query_mean_seconds in DB_QUERY_DURATION.buckets


@pytest.mark.parametrize(
    ("share", "value"), [(0.01, 1), (0.5, 50), (0.95, 95), (0.951, 96), (1.0, 100)]
)
def test_a_percentile_is_the_value_of_the_nearest_rank(share: float, value: float) -> None:
    assert percentile(range(100, 0, -1), share) == value


def test_a_percentile_of_nothing_is_no_number() -> None:
    assert math.isnan(percentile([], 0.95))


def test_latency_counts_from_the_moment_an_arrival_was_due() -> None:
    assert Sample("x", due=1.0, finished=3.5).latency == 2.5


def test_only_good_answers_count_for_the_rate() -> None:
    samples = [Sample("x", 0.0, 0.1), Sample("x", 0.2, 0.3, "500")]
    figures = summarise(samples, asked_rate=1, duration_seconds=2)
    assert figures.achieved_rate == 0.5
    assert figures.error_share == 0.5
    assert figures.errors == {"x: 500": 1}


def test_answers_that_come_after_the_window_lower_the_rate() -> None:
    samples = [Sample("x", 0.0, 0.1), Sample("x", 1.0, 4.0)]
    figures = summarise(samples, asked_rate=1, duration_seconds=2)
    assert (figures.elapsed_seconds, figures.achieved_rate) == (4.0, 0.5)


def test_a_sample_belongs_to_the_second_in_which_it_was_due() -> None:
    lines = per_second([Sample("x", 0.9, 2.1), Sample("x", 2.0, 2.1)])
    assert [(line.name, line.requests) for line in lines] == [("0", 1), ("2", 1)]


def test_an_arrival_is_late_past_the_limit_only() -> None:
    limit = TARGETS.generator_late_seconds
    kept = punctuality(Timing([0.0, limit, limit * 1.01], no_free_user=2), cpu_share=0.4)
    assert kept == Punctuality(3, 1, limit * 1.01, 2, 0.4)


def test_of_several_generators_the_busiest_counts_and_late_arrivals_add_up() -> None:
    each = [Punctuality(100, 0, 0.001, 1, 0.95), Punctuality(300, 4, 0.2, 2, 0.1)]
    assert generator_figures(each) == GeneratorFigures(2, 0.95, 0.01, 0.2, 3)


def test_generators_that_let_nobody_in_were_late() -> None:
    assert generator_figures([Punctuality(0, 0, 0.0, 0, 0.0)]).late_share == 1.0


def test_progress_tells_the_seconds_answers_and_their_p95() -> None:
    line = progress_line(7, [Sample("x", 0.0, 0.02), Sample("x", 0.0, 0.04)], errors=3)
    assert line.split() == ["7", "s", "2", "req/s", "p95", "40", "ms", "errors", "so", "far", "3"]
