"""The limits a load run is judged by: the only place in ``loadtest`` where one is written."""

from __future__ import annotations

from dataclasses import dataclass

from observability.contract import LATENCY_TARGET_SECONDS, QUERY_TARGET_SECONDS


@dataclass(frozen=True)
class Targets:
    """Limits of a run. Shares are between 0 and 1, durations in seconds.

    The first group judges the service, the second the generator: where the generator was too
    slow, its figures say nothing, and the run is invalid.
    """

    response_seconds: float = LATENCY_TARGET_SECONDS
    response_share: float = 0.95
    rate_share: float = 0.97
    error_share: float = 0.001
    query_mean_seconds: float = QUERY_TARGET_SECONDS
    cache_hit_share: float = 0.90
    count_difference_share: float = 0.01

    generator_cpu_share: float = 0.90
    generator_late_seconds: float = 0.05
    generator_late_share: float = 0.01


TARGETS = Targets()
