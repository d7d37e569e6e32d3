"""When requests arrive and what they ask for: decided before the run, whatever the server does."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Generic, TypeVar

from loadtest.profiles import Arrivals

T = TypeVar("T")


def arrival_times(kind: Arrivals, rate: float, seconds: float, rng: random.Random) -> list[float]:
    """Offsets in seconds from the start, ascending, in [0, seconds).

    Always ``round(rate * seconds)`` of them, so that the asked rate is asked exactly.

    Raises:
        ValueError: when rate or seconds is not positive.
    """
    if rate <= 0 or seconds <= 0:
        raise ValueError(f"rate and seconds must be positive, got {rate} and {seconds}")
    count = round(rate * seconds)
    return _poisson(count, seconds, rng) if kind == "poisson" else _jittered(count, seconds, rng)


def _poisson(count: int, seconds: float, rng: random.Random) -> list[float]:
    # Given its count, a Poisson process' arrivals are independent and uniform over the window.
    return sorted(rng.random() * seconds for _ in range(count))


def _jittered(count: int, seconds: float, rng: random.Random) -> list[float]:
    step = seconds / count if count else 0.0
    return [(index + rng.random()) * step for index in range(count)]


class Weighted(Generic[T]):
    """Draws from ``items`` in proportion to ``weights``, in O(log n).

    Raises:
        ValueError: when the lengths differ, there is no item, or a weight is negative or all are 0.
    """

    def __init__(self, items: Sequence[T], weights: Sequence[float]) -> None:
        if not items or len(items) != len(weights):
            raise ValueError(f"{len(items)} items need as many weights, got {len(weights)}")
        self._items = list(items)
        self._bounds = list(accumulate(weights))
        if min(weights) < 0 or self._bounds[-1] <= 0:
            raise ValueError("weights must not be negative, and not all zero")

    def draw(self, rng: random.Random) -> T:
        """One item."""
        # 1 - random() lies in (0, 1]: an item of weight 0 is never met.
        return self._items[bisect_left(self._bounds, (1.0 - rng.random()) * self._bounds[-1])]


def zipf(items: Sequence[T], exponent: float) -> Weighted[T]:
    """Items by popularity, the first the most popular: weight 1 / rank ** exponent."""
    return Weighted(items, [1.0 / rank**exponent for rank in range(1, len(items) + 1)])
