"""What is scraped is what the contract says: no more, no less, with the targets as bucket bounds."""

from __future__ import annotations

import math
from typing import Any

import pytest
from prometheus_client.openmetrics import exposition, parser

from observability import contract
from observability.contract import METRICS, Metric
from observability.instruments import Instruments

# Those of prometheus_client itself, about the process and the interpreter.
LIBRARYS = ("process_", "python_")


def families(instruments: Instruments) -> dict[str, Any]:
    """The scraped families by name, as a strict OpenMetrics parser reads them."""
    text = exposition.generate_latest(instruments.registry).decode()  # type: ignore[no-untyped-call]
    parsed = parser.text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    return {family.name: family for family in parsed}


def test_every_metric_of_the_contract_is_registered_and_no_other() -> None:
    ours = {
        (name, family.type, family.documentation)
        for name, family in families(Instruments()).items()
        if not name.startswith(LIBRARYS)
    }
    assert ours == {(m.name.removesuffix("_total"), m.kind, m.help) for m in METRICS}


def test_the_contract_lists_every_metric_that_it_names_once() -> None:
    named = [value for value in vars(contract).values() if isinstance(value, Metric)]
    assert sorted(m.name for m in named) == sorted(m.name for m in METRICS)
    assert len({m.name for m in METRICS}) == len(METRICS)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: str(metric.name))
def test_names_follow_the_conventions(metric: Metric) -> None:
    assert metric.name.endswith("_total") is (metric.kind == "counter")
    assert metric.name.endswith("_seconds") is (metric.kind == "histogram")
    assert bool(metric.buckets) is (metric.kind == "histogram")
    assert list(metric.buckets) == sorted(set(metric.buckets))
    assert metric.help.endswith(".")


@pytest.mark.parametrize(
    ("metric", "bound"),
    [
        (contract.HTTP_DURATION, 0.05),
        (contract.HTTP_DURATION, 0.2),
        (contract.DB_QUERY_DURATION, 0.05),
        (contract.JOB_AGE, 60.0),
    ],
    ids=lambda value: str(getattr(value, "name", value)),
)
def test_each_target_is_a_bound_of_a_bucket_as_scraped(metric: Metric, bound: float) -> None:
    instruments = Instruments()
    by_name = {
        contract.HTTP_DURATION.name: instruments.http_duration,
        contract.DB_QUERY_DURATION.name: instruments.db_query_duration,
        contract.JOB_AGE.name: instruments.job_age,
    }
    by_name[metric.name].labels(*["x"] * len(metric.labels)).observe(bound)
    samples = families(instruments)[metric.name].samples
    counts = {float(s.labels["le"]): s.value for s in samples if s.name.endswith("_bucket")}
    assert tuple(sorted(counts)) == (*metric.buckets, math.inf)
    assert counts[bound] == 1
    assert counts[max(other for other in counts if other < bound)] == 0


def test_results_that_an_alert_waits_for_are_there_before_the_first_one() -> None:
    scraped = families(Instruments())
    for family, results in {
        "sign_ins": {"succeeded", "failed", "banned"},
        "telemetry_spans": {"exported", "failed", "dropped"},
        "telemetry_log_lines": {"written", "dropped"},
    }.items():
        totals = [s for s in scraped[family].samples if s.name.endswith("_total")]
        assert {s.labels["result"]: s.value for s in totals} == dict.fromkeys(results, 0.0)


def test_two_sets_of_instruments_share_nothing() -> None:
    one, two = Instruments(), Instruments()
    one.orders.inc()
    assert two.registry.get_sample_value("orders_total") == 0


def test_the_build_is_shown_and_active_users_are_asked_for_at_each_scrape() -> None:
    instruments, active = Instruments(), [3.0]
    instruments.set_build_info("1.2.3", "green", "staging")
    instruments.watch_active_users(lambda: active[0])
    value = instruments.registry.get_sample_value
    labels = {"version": "1.2.3", "slot": "green", "environment": "staging"}
    assert value("firewatch_build_info", labels) == 1
    assert value("active_users") == 3
    active[0] = math.nan
    assert math.isnan(value("active_users") or 0.0)
