"""How well the generators kept their schedule."""

from __future__ import annotations

from dataclasses import dataclass, field

from loadtest.figures import GeneratorFigures
from loadtest.targets import TARGETS


@dataclass
class Timing:
    """How late arrivals were let in (seconds), and how often no user was free."""

    late: list[float] = field(default_factory=list)
    no_free_user: int = 0


@dataclass(frozen=True)
class Punctuality:
    """How well one generator kept its schedule; CPU in shares of one core, delays in seconds."""

    arrivals: int
    late: int
    worst_late_seconds: float
    found_no_free_user: int
    cpu_share: float


def punctuality(timing: Timing, cpu_share: float) -> Punctuality:
    """How well the schedule was kept."""
    return Punctuality(
        arrivals=len(timing.late),
        late=sum(delay > TARGETS.generator_late_seconds for delay in timing.late),
        worst_late_seconds=max(timing.late, default=0.0),
        found_no_free_user=timing.no_free_user,
        cpu_share=cpu_share,
    )


def generator_figures(each: list[Punctuality]) -> GeneratorFigures:
    """All generators as one: the busiest one's CPU, everyone's late arrivals."""
    arrivals = sum(one.arrivals for one in each)
    return GeneratorFigures(
        processes=len(each),
        cpu_share=max(one.cpu_share for one in each),
        late_share=sum(one.late for one in each) / arrivals if arrivals else 1.0,
        worst_late_seconds=max(one.worst_late_seconds for one in each),
        found_no_free_user=sum(one.found_no_free_user for one in each),
    )
