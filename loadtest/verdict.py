"""Judges a run's figures by the targets: pass, fail, or invalid. Pure: no clock, no network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from loadtest.figures import ClientFigures, GeneratorFigures, ServerFigures
from loadtest.targets import Targets

Comparison = Literal["<", "<=", ">="]
Unit = Literal["ms", "%", "req/s"]


class Outcome(IntEnum):
    """The value is the exit code of the command."""

    PASS = 0
    FAIL = 1
    INVALID = 2


@dataclass(frozen=True)
class Check:
    """One figure against its limit, both in the unit named (milliseconds, per cent, req/s)."""

    name: str
    value: float
    comparison: Comparison
    limit: float
    unit: Unit

    @property
    def passed(self) -> bool:
        """False also for NaN: no data is never a pass."""
        if self.comparison == "<":
            return self.value < self.limit
        if self.comparison == "<=":
            return self.value <= self.limit
        return self.value >= self.limit


@dataclass(frozen=True)
class Verdict:
    """The outcome, and the checks that led to it."""

    outcome: Outcome
    service: tuple[Check, ...]
    generator: tuple[Check, ...]

    @property
    def broken(self) -> tuple[Check, ...]:
        """The checks that decided against a pass."""
        checks = self.generator if self.outcome is Outcome.INVALID else self.service
        return tuple(check for check in checks if not check.passed)


def judge(
    client: ClientFigures,
    generator: GeneratorFigures,
    server: ServerFigures | None,
    targets: Targets,
) -> Verdict:
    """The verdict. ``server`` is None where the run was asked to do without Prometheus.

    A saturated generator makes the run invalid whatever else was measured.
    """
    generator_checks = tuple(_generator_checks(generator, targets))
    service_checks = (*_client_checks(client, targets), *_server_checks(client, server, targets))
    if not all(check.passed for check in generator_checks):
        outcome = Outcome.INVALID
    else:
        outcome = Outcome.PASS if all(c.passed for c in service_checks) else Outcome.FAIL
    return Verdict(outcome, service_checks, generator_checks)


def _generator_checks(generator: GeneratorFigures, targets: Targets) -> Iterator[Check]:
    cpu, late = generator.cpu_share * 100, generator.late_share * 100
    over = f"{targets.generator_late_seconds * 1000:g} ms"
    yield Check(
        "busiest generator's CPU, of a core", cpu, "<=", targets.generator_cpu_share * 100, "%"
    )
    yield Check(
        f"arrivals sent over {over} late", late, "<=", targets.generator_late_share * 100, "%"
    )


def _client_checks(client: ClientFigures, targets: Targets) -> Iterator[Check]:
    p95 = client.total.p95 * 1000
    yield Check("p95 seen by clients", p95, "<", targets.response_seconds * 1000, "ms")
    least = client.asked_rate * targets.rate_share
    yield Check("rate of good answers seen by clients", client.achieved_rate, ">=", least, "req/s")
    yield Check(
        "errors seen by clients", client.error_share * 100, "<", targets.error_share * 100, "%"
    )


def _server_checks(
    client: ClientFigures, server: ServerFigures | None, targets: Targets
) -> Iterator[Check]:
    if server is None:
        return
    least = client.asked_rate * targets.rate_share
    rate = server.requests / client.elapsed_seconds
    yield Check("rate by Prometheus", rate, ">=", least, "req/s")
    failed = server.error_share * 100
    yield Check("errors by Prometheus", failed, "<", targets.error_share * 100, "%")
    limit = targets.response_seconds * 1000
    yield Check("p95 by Prometheus", server.p95_seconds * 1000, "<", limit, "ms")
    share = server.share_in_time * 100
    yield Check(f"answered within {limit:g} ms", share, ">=", targets.response_share * 100, "%")
    mean = server.query_mean_seconds * 1000
    yield Check("mean database query", mean, "<", targets.query_mean_seconds * 1000, "ms")
    hits = server.cache_hit_share * 100
    yield Check("cache hits", hits, ">=", targets.cache_hit_share * 100, "%")
    apart = count_difference_share(client, server) * 100
    most = targets.count_difference_share * 100
    yield Check("counts of client and Prometheus apart", apart, "<=", most, "%")


def count_difference_share(client: ClientFigures, server: ServerFigures) -> float:
    """How far Prometheus' request count lies from the client's, as a share of the client's."""
    if not client.total.requests:
        return float("nan")
    return abs(server.requests - client.total.requests) / client.total.requests
