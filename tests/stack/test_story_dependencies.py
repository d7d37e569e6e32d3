"""A store goes away; what can be answered without it still is, and all is well when it is back."""

from __future__ import annotations

import time
import uuid

import httpx
import pytest

from stack.processes import wait_until
from tests.stack.customer import place, sign_in
from tests.stack.live import LiveStack
from tests.stack.traffic import Outcome, reading

RATE = 100
AWAY_SECONDS = 6


def read_without(stack: LiveStack, part: str) -> Outcome:
    """Readers' outcome while that part stops, is away, and comes back."""
    with reading(stack, RATE) as end:
        time.sleep(1)
        stack.stop(part)
        try:
            time.sleep(AWAY_SECONDS)
        finally:
            stack.start(part)
        outcome = end()
    print(f"{part} away: {outcome}")
    return outcome


@pytest.mark.parametrize("part", ["redis", "postgres-replica", "postgres-primary"])
def test_readers_of_the_catalogue_do_not_notice_a_store_that_is_away(
    stack: LiveStack, part: str
) -> None:
    outcome = read_without(stack, part)
    assert outcome.failed == {}
    wait_until(lambda: stack.problems() == [], 60, "All being well again")


def test_without_redis_orders_go_on_and_limits_fail_open_and_counted(
    stack: LiveStack, shop: httpx.Client
) -> None:
    who = sign_in(shop)
    skipped = "sum(rate_limiter_errors_total)"
    stack.stop("redis")
    try:
        assert place(shop, who, uuid.uuid4().hex).status_code == 201
        ready = shop.get("/health/ready")
        assert (ready.status_code, ready.json()["parts"]["cache"]) == (503, "unreachable")
        wait_until(lambda: stack.query(skipped).get("", 0) > 0, 20, skipped)
    finally:
        stack.start("redis")
    wait_until(lambda: shop.get("/health/ready").status_code == 200, 30, "Readiness")


def test_without_the_primary_orders_are_told_when_to_come_back_and_then_accepted(
    stack: LiveStack, shop: httpx.Client
) -> None:
    who = sign_in(shop)
    key = uuid.uuid4().hex
    stack.stop("postgres-primary")
    try:
        refused = place(shop, who, key)
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) > 0
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert shop.get("/api/products/9").status_code == 200
        assert shop.get("/health").status_code == 200
    finally:
        stack.start("postgres-primary")
    wait_until(lambda: place(shop, who, key).status_code in (200, 201), 30, "An accepted order")
    wait_until(lambda: stack.problems() == [], 60, "All being well again")
