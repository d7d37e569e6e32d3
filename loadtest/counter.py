"""The shop's counter: what each arrival asks for, where arrivals queue, and what was seen of them."""

from __future__ import annotations

import random
import secrets
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gevent.queue import Queue

from loadtest.customers import Customer, Shop
from loadtest.figures import Sample
from loadtest.profiles import NAMES, ZIPF_EXPONENT, Kind
from loadtest.schedule import Weighted, zipf


@dataclass(frozen=True)
class Arrival:
    """One customer's request: ``due`` on ``time.perf_counter``; ``timed`` when in the window."""

    kind: Kind
    due: float
    timed: bool


@dataclass(frozen=True)
class Ask:
    """A request to send, and who sends it (nobody in particular, for the public's pages)."""

    method: str
    path: str
    details: dict[str, Any] = field(default_factory=dict)
    customer: Customer | None = None


@dataclass
class Counter:
    """The shop's counter: where arrivals queue, and where what was seen is kept."""

    shop: Shop
    addresses: Iterator[str]
    context: ssl.SSLContext
    rng: random.Random
    arrivals: Queue[Arrival] = field(default_factory=Queue)
    started: float = 0.0
    waiting: dict[int, Arrival] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    idle: int = 0

    def __post_init__(self) -> None:
        # Which products are popular stays the same between runs, and is no matter of their ids.
        ids = sorted(self.shop.product_ids)
        random.Random(0).shuffle(ids)
        self.items: Weighted[int] = zipf(ids, ZIPF_EXPONENT)
        self.pages: Weighted[int] = zipf(range(1, self.shop.pages + 1), ZIPF_EXPONENT)

    def keep(self, arrival: Arrival, finished: float, error: str) -> None:
        """Note the outcome of a timed arrival; of the warm-up, nothing."""
        if arrival.timed:
            self.waiting.pop(id(arrival), None)
            due, done = arrival.due - self.started, finished - self.started
            self.samples.append(Sample(NAMES[arrival.kind], due, done, error))

    def ask(self, kind: Kind) -> Ask:
        """What an arrival of this kind asks for."""
        if kind == "item":
            return Ask("GET", f"/api/products/{self.items.draw(self.rng)}")
        if kind == "browse":
            return Ask("GET", f"/api/products?page={self.pages.draw(self.rng)}")
        customer = self.rng.choice(self.shop.customers)
        return self._sign_in(customer) if kind == "sign_in" else self._order(customer)

    def _sign_in(self, customer: Customer) -> Ask:
        body = {"email": customer.email, "password": customer.password}
        return Ask("POST", "/api/sessions", {"json": body}, customer)

    def _order(self, customer: Customer) -> Ask:
        headers = {
            "Authorization": f"Bearer {customer.token}",
            "Idempotency-Key": secrets.token_hex(16),
        }
        item = {"product_id": self.rng.choice(self.shop.product_ids), "quantity": 1}
        return Ask("POST", "/api/orders", {"json": {"items": [item]}, "headers": headers}, customer)
