"""What the master and its generator processes tell each other, over Locust's own channel."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from loadtest.customers import Customer, Shop
from loadtest.figures import Sample
from loadtest.profiles import Arrivals

HELLO = "firewatch-hello"  # generator: it listens
PREPARE = "firewatch-prepare"  # master: a Plan
READY = "firewatch-ready"  # generator: the plan is taken
LET_IN = "firewatch-let-in"  # master: a Wave
SEEN = "firewatch-seen"  # generator, every second: samples
DONE = "firewatch-done"  # generator: a wave's Punctuality


@dataclass(frozen=True)
class Plan:
    """What one generator needs for the run; ``index`` of ``count`` of them.

    ``connections`` are this one's own. ``ca`` is the path of the authority to trust.
    """

    shop: Shop
    connections: int
    seed: int
    index: int
    count: int
    ca: str

    def as_data(self) -> dict[str, Any]:
        """Plain values, as Locust's channel carries them."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Plan:
        """What ``as_data`` made."""
        shop = data["shop"]
        customers = tuple(Customer(**customer) for customer in shop["customers"])
        return cls(**{**data, "shop": Shop(customers, tuple(shop["product_ids"]), shop["pages"])})


@dataclass(frozen=True)
class Wave:
    """Arrivals to let in: requests a second of this generator alone, for so many seconds."""

    rate: float
    seconds: float
    timed: bool
    arrivals: Arrivals


def pack(samples: list[Sample]) -> list[list[Any]]:
    """Samples as plain values."""
    return [[s.name, s.due, s.finished, s.error] for s in samples]


def unpack(rows: list[list[Any]]) -> list[Sample]:
    """What ``pack`` made."""
    return [Sample(*row) for row in rows]
