"""What customers do, and how long: the mix of requests and the named profiles."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Kind = Literal["item", "browse", "order", "sign_in"]
Arrivals = Literal["poisson", "jittered"]

# The only weights: of 200 requests, 160 look at a product, 29 turn a page of the catalogue, 10
# order, and 1 signs in (a session lasts a day, so not every order needs a new one).
MIX: dict[Kind, float] = {"item": 0.80, "browse": 0.145, "order": 0.05, "sign_in": 0.005}
NAMES: dict[Kind, str] = {
    "item": "GET /api/products/<id>",
    "browse": "GET /api/products?page=",
    "order": "POST /api/orders",
    "sign_in": "POST /api/sessions",
}

# Popularity of the product of rank r is proportional to 1 / r ** ZIPF_EXPONENT.
ZIPF_EXPONENT = 1.0

# One visit, from one client address. Far below the 300 requests in 5 minutes that an address may
# make, as an honest visitor stays.
REQUESTS_PER_VISIT = 20
# A token may make 1,000 requests an hour; half of it leaves room for an uneven draw.
ORDERS_PER_CUSTOMER_AN_HOUR = 500
LEAST_CUSTOMERS = 50
# So many take a third of a core, which leaves a process punctual.
RATE_PER_PROCESS = 1000


@dataclass(frozen=True)
class Profile:
    """A named run: requests a second, seconds of warm-up and of the timed window.

    ``connections`` bounds the requests in flight, over all generator processes.
    """

    rate: float
    duration_seconds: float
    warm_up_seconds: float = 5.0
    connections: int = 200
    arrivals: Arrivals = "poisson"

    @property
    def customers(self) -> int:
        """How many who order and sign in it takes for each to stay under the limit by token."""
        hour = min(3600.0, self.duration_seconds + self.warm_up_seconds)
        orders = self.rate * hour * MIX["order"] / sum(MIX.values())
        return max(LEAST_CUSTOMERS, math.ceil(orders / ORDERS_PER_CUSTOMER_AN_HOUR))

    @property
    def processes(self) -> int:
        """How many generator processes the rate needs."""
        return math.ceil(self.rate / RATE_PER_PROCESS)


PROFILES: dict[str, Profile] = {
    "smoke": Profile(rate=100, duration_seconds=10, warm_up_seconds=3, connections=50),
    "steady": Profile(rate=800, duration_seconds=30),
}
