"""What customers do, and how long: the mix of requests and the named profiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["item", "list", "order"]
Arrivals = Literal["poisson", "jittered"]

# The mix of a shop's day: most look, some browse, few buy. Weights need not add up to 1.
MIX: dict[Kind, float] = {"item": 0.80, "list": 0.10, "order": 0.10}
NAMES: dict[Kind, str] = {
    "item": "GET /api/products/<id>",
    "list": "GET /api/products?page=",
    "order": "POST /api/orders",
}

# Popularity of the product of rank r is proportional to 1 / r ** ZIPF_EXPONENT.
ZIPF_EXPONENT = 1.0

# The public limits are 300 requests in 5 minutes and 1,000 an hour for one address; an honest
# customer stays under both, so an address is given up after so many requests.
REQUESTS_PER_ADDRESS = 250


@dataclass(frozen=True)
class Profile:
    """A named run: requests a second, seconds of warm-up and of the timed window.

    ``users`` bounds the requests in flight; ``accounts`` is the number of customers who order.
    """

    rate: float
    duration_seconds: float
    warm_up_seconds: float = 5.0
    users: int = 200
    accounts: int = 50
    arrivals: Arrivals = "poisson"


PROFILES: dict[str, Profile] = {
    "smoke": Profile(rate=100, duration_seconds=10, warm_up_seconds=3, users=50, accounts=10),
    "steady": Profile(rate=800, duration_seconds=30),
}
