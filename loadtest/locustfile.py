"""The Locust user: takes the next arrival that is due, does what it says, and keeps the times."""

from __future__ import annotations

import time
from typing import Any

from locust import FastHttpUser, task
from locust.env import Environment

from loadtest.addresses import HEADER
from loadtest.counter import Arrival, Counter
from loadtest.profiles import NAMES, REQUESTS_PER_VISIT, Kind

REQUEST_TIMEOUT_SECONDS = 10.0
EXPECTED: dict[Kind, int] = {"item": 200, "browse": 200, "order": 201, "sign_in": 201}


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
