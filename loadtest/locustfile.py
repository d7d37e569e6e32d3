"""The Locust user: takes the next arrival that is due, does what it says, and keeps the times."""

from __future__ import annotations

import random
import secrets
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gevent.queue import Queue
from locust import FastHttpUser, task
from locust.env import Environment

from loadtest.addresses import HEADER
from loadtest.customers import Customer, Shop
from loadtest.figures import Sample
from loadtest.profiles import NAMES, REQUESTS_PER_VISIT, ZIPF_EXPONENT, Kind
from loadtest.schedule import Weighted, zipf

REQUEST_TIMEOUT_SECONDS = 10.0
EXPECTED: dict[Kind, int] = {"item": 200, "browse": 200, "order": 201, "sign_in": 201}


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


class Shopper(FastHttpUser):
    """One connection, kept alive. Serves whatever arrival comes next, for one visitor after
    another."""

    max_redirects = 0
    insecure = False
    connection_timeout = REQUEST_TIMEOUT_SECONDS
    network_timeout = REQUEST_TIMEOUT_SECONDS

    def __init__(self, environment: Environment) -> None:
        self.counter: Counter = environment.counter  # type: ignore[attr-defined]
        # Shared: loading the authority for each user would cost more than the load.
        self.ssl_context_factory = lambda cafile=None: self.counter.context
        super().__init__(environment)
        # The API sets no cookies; looking for them took a tenth of the generator's time.
        self.client.client.cookiejar = None
        self._visitor = ""
        self._left = 0

    @task
    def serve(self) -> None:
        """Serve arrivals until stopped."""
        counter = self.counter
        while True:
            counter.idle += 1
            arrival = counter.arrivals.get()
            counter.idle -= 1
            self._take_turns()
            self._send(arrival)

    def _take_turns(self) -> None:
        if self._left == 0:
            self._visitor = next(self.counter.addresses)
            self._left = REQUESTS_PER_VISIT
        self._left -= 1

    def _send(self, arrival: Arrival) -> None:
        ask = self.counter.ask(arrival.kind)
        details = {
            **ask.details,
            "headers": {HEADER: self._visitor, **ask.details.get("headers", {})},
        }
        with self.client.request(
            ask.method, ask.path, name=NAMES[arrival.kind], catch_response=True, **details
        ) as response:
            finished = time.perf_counter()
            # Locust's own statistics then count from the scheduled moment too.
            response.request_meta["response_time"] = (finished - arrival.due) * 1000
            error = _error(response, EXPECTED[arrival.kind])
            if error:
                response.failure(error)
            elif arrival.kind == "sign_in" and ask.customer:
                ask.customer.token = response.json()["token"]
        self.counter.keep(arrival, finished, error)


def _error(response: Any, expected: int) -> str:
    """Empty for the expected answer, else what came instead: a status or the failure's kind."""
    if response.status_code == expected:
        return ""
    if response.status_code:
        return str(response.status_code)
    return type(response.error).__name__
