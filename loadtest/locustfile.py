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

from loadtest.addresses import BoundClientPool
from loadtest.customers import Shop
from loadtest.figures import Sample
from loadtest.profiles import NAMES, REQUESTS_PER_ADDRESS, ZIPF_EXPONENT, Kind
from loadtest.schedule import Weighted, zipf

REQUEST_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class Arrival:
    """One customer's request: ``due`` on ``time.perf_counter``; ``timed`` when in the window."""

    kind: Kind
    due: float
    timed: bool


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


class Shopper(FastHttpUser):
    """One connection. Serves whatever arrival comes next, so any user may play any customer."""

    max_redirects = 0
    insecure = False

    def __init__(self, environment: Environment) -> None:
        self.counter: Counter = environment.counter  # type: ignore[attr-defined]
        pool = BoundClientPool(
            next(self.counter.addresses), self.counter.context, REQUEST_TIMEOUT_SECONDS
        )
        self.client_pool = pool
        super().__init__(environment)
        # The API sets no cookies; looking for them took a tenth of the generator's time.
        self.client.client.cookiejar = None
        self._pool = pool
        self._left = REQUESTS_PER_ADDRESS

    @task
    def serve(self) -> None:
        """Serve arrivals until stopped."""
        counter = self.counter
        while True:
            counter.idle += 1
            arrival = counter.arrivals.get()
            counter.idle -= 1
            self._change_address_when_due()
            self._send(arrival)

    def _change_address_when_due(self) -> None:
        if self._left == 0:
            self._pool.move(next(self.counter.addresses))
            self._left = REQUESTS_PER_ADDRESS
        self._left -= 1

    def _send(self, arrival: Arrival) -> None:
        method, path, details = self._request(arrival.kind)
        name = NAMES[arrival.kind]
        with self.client.request(
            method, path, name=name, catch_response=True, **details
        ) as response:
            finished = time.perf_counter()
            # Locust's own statistics then count from the scheduled moment too.
            response.request_meta["response_time"] = (finished - arrival.due) * 1000
            error = _error(response, 201 if method == "POST" else 200)
            if error:
                response.failure(error)
        self.counter.keep(arrival, finished, error)

    def _request(self, kind: Kind) -> tuple[str, str, dict[str, Any]]:
        counter, rng = self.counter, self.counter.rng
        if kind == "item":
            return "GET", f"/api/products/{counter.items.draw(rng)}", {}
        if kind == "list":
            return "GET", f"/api/products?page={counter.pages.draw(rng)}", {}
        headers = {
            "Authorization": f"Bearer {rng.choice(counter.shop.tokens)}",
            "Idempotency-Key": secrets.token_hex(16),
        }
        product = rng.choice(counter.shop.product_ids)
        body = {"items": [{"product_id": product, "quantity": 1}]}
        return "POST", "/api/orders", {"json": body, "headers": headers}


def _error(response: Any, expected: int) -> str:
    """Empty for the expected answer, else what came instead: a status or the failure's kind."""
    if response.status_code == expected:
        return ""
    if response.status_code:
        return str(response.status_code)
    return type(response.error).__name__
