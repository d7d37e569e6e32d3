"""Two hundred customers want the last fifty: nobody gets what is not there, everybody gets mail."""

from __future__ import annotations

import os
import signal
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest

from stack.processes import wait_until
from tests.stack.customer import place, sign_in, some_address
from tests.stack.live import LiveStack

CUSTOMERS, LAST = 200, 50
DONE = (
    "SELECT count(*) FROM procrastinate_jobs"
    " WHERE status = 'succeeded' AND args->>'order_id' = ANY(%s)"
)
SENT = "SELECT count(*) FROM confirmations WHERE order_id = ANY(%s::uuid[])"
STOCK = "SELECT available FROM stock WHERE product_id = %s"


@pytest.fixture
def primary(stack: LiveStack) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(stack.database_url(), autocommit=True) as connection:
        yield connection


def value(primary: psycopg.Connection[Any], query: str, parameter: object) -> int:
    row = primary.execute(query, (parameter,)).fetchone()
    assert row is not None
    return int(row[0])


def rush(
    stack: LiveStack, shop: httpx.Client, primary: psycopg.Connection[Any], product_id: int
) -> list[str]:
    """All order one at once; the accepted orders' ids."""
    primary.execute("UPDATE stock SET available = %s WHERE product_id = %s", (LAST, product_id))
    who = sign_in(shop)

    def order(_number: int) -> httpx.Response:
        return place(shop, who, uuid.uuid4().hex, product_id, **some_address())

    with ThreadPoolExecutor(50) as customers:
        answers = list(customers.map(order, range(CUSTOMERS)))
    assert Counter(answer.status_code for answer in answers) == {201: LAST, 409: CUSTOMERS - LAST}
    assert value(primary, STOCK, product_id) == 0
    return [answer.json()["id"] for answer in answers if answer.status_code == 201]


def test_exactly_the_last_fifty_are_sold_and_each_is_confirmed(
    stack: LiveStack, shop: httpx.Client, primary: psycopg.Connection[Any]
) -> None:
    orders = rush(stack, shop, primary, product_id=901)
    wait_until(lambda: value(primary, DONE, orders) == LAST, 60, "The confirmation jobs")
    assert value(primary, SENT, orders) == LAST


def test_a_worker_killed_half_way_loses_no_confirmation(
    stack: LiveStack, shop: httpx.Client, primary: psycopg.Connection[Any]
) -> None:
    before = stack.pid("worker")
    stack.stop("worker")
    orders = rush(stack, shop, primary, product_id=902)
    stack.supervisor.start("worker")
    wait_until(lambda: value(primary, SENT, orders) > 0, 60, "The first confirmation")
    killed = stack.pid("worker")
    os.kill(killed, signal.SIGKILL)
    assert value(primary, DONE, orders) < LAST, "killed too late to show anything"
    stack.await_well("worker")
    assert stack.pid("worker") not in (before, killed)
    wait_until(lambda: value(primary, DONE, orders) == LAST, 60, "The confirmation jobs")
    assert value(primary, SENT, orders) == LAST
