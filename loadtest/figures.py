"""What was measured, as plain numbers: by the client, of the generator, and by Prometheus."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

NO_DATA = math.nan


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest of ``values`` that at least ``share`` of them do not exceed (nearest rank).

    NaN when there are no values.

    Raises:
        ValueError: when share is not in (0, 1].
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must be in (0, 1], got {share}")
    ordered = sorted(values)
    if not ordered:
        return NO_DATA
    return ordered[math.ceil(share * len(ordered) - 1e-9) - 1]


@dataclass(frozen=True)
class Sample:
    """One timed arrival. Seconds from the window's start; ``error`` is empty for a good answer.

    Its latency counts from the moment it was due, not from when it was sent: whoever has to
    wait because the server is slow has waited (no coordinated omission).
    """

    name: str
    due: float
    finished: float
    error: str = ""

    @property
    def latency(self) -> float:
        """Seconds from due to the last byte of the answer."""
        return self.finished - self.due


@dataclass(frozen=True)
class Line:
    """Figures of one kind of request, or of all. Seconds."""

    name: str
    requests: int
    errors: int
    p50: float
    p95: float
    p99: float
    worst: float


@dataclass(frozen=True)
class ClientFigures:
    """What the client saw in the timed window."""

    asked_rate: float
    achieved_rate: float
    duration_seconds: float
    elapsed_seconds: float
    total: Line
    lines: tuple[Line, ...]
    errors: dict[str, int] = field(default_factory=dict)

    @property
    def error_share(self) -> float:
        """Errors of all arrivals; NaN when there were none."""
        return self.total.errors / self.total.requests if self.total.requests else NO_DATA


@dataclass(frozen=True)
class GeneratorFigures:
    """How well the generators kept their schedule: CPU of the busiest, in shares of one core."""

    processes: int
    cpu_share: float
    late_share: float
    worst_late_seconds: float
    found_no_free_user: int


@dataclass(frozen=True)
class ServerFigures:
    """What Prometheus saw in the same window; NaN where it has no data."""

    requests: float = NO_DATA
    error_share: float = NO_DATA
    p95_seconds: float = NO_DATA
    share_in_time: float = NO_DATA
    query_mean_seconds: float = NO_DATA
    cache_hit_share: float = NO_DATA


def summarise(
    samples: Sequence[Sample], asked_rate: float, duration_seconds: float
) -> ClientFigures:
    """The client's figures. The achieved rate counts good answers only, over the window or, when
    answers came in after it, over the time until the last of them."""
    elapsed = max([duration_seconds, *(sample.finished for sample in samples)])
    good = sum(not sample.error for sample in samples)
    names = sorted({sample.name for sample in samples})
    return ClientFigures(
        asked_rate=asked_rate,
        achieved_rate=good / elapsed,
        duration_seconds=duration_seconds,
        elapsed_seconds=elapsed,
        total=_line("all", samples),
        lines=tuple(_line(name, [s for s in samples if s.name == name]) for name in names),
        errors=dict(Counter(f"{s.name}: {s.error}" for s in samples if s.error).most_common()),
    )


def _line(name: str, samples: Sequence[Sample]) -> Line:
    latencies = sorted(sample.latency for sample in samples)
    p50, p95, p99, worst = (percentile(latencies, share) for share in (0.5, 0.95, 0.99, 1.0))
    errors = sum(bool(sample.error) for sample in samples)
    return Line(name, len(samples), errors, p50, p95, p99, worst)


def per_second(samples: Sequence[Sample]) -> list[Line]:
    """One line for each second of the window, by the second an arrival was due in."""
    seconds: dict[int, list[Sample]] = {}
    for sample in samples:
        seconds.setdefault(int(sample.due), []).append(sample)
    return [_line(str(second), seconds[second]) for second in sorted(seconds)]


def progress_line(second: int, fresh: list[Sample], errors: int) -> str:
    """One second's line: answers of this second, and their p95."""
    p95 = percentile([sample.latency for sample in fresh], 0.95) * 1000
    return f"{second:4d} s  {len(fresh):5d} req/s  p95 {p95:6.0f} ms  errors so far {errors}"


def shown(value: float | None, unit: str) -> str:
    """A figure for people: four digits, never an exponent for what is large."""
    if value is None or math.isnan(value):
        return "no data"
    return f"{value:,.0f} {unit}" if abs(value) >= 1000 else f"{value:.4g} {unit}"
