"""Orders: once for each key, never more than there is, and all of it or nothing."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg
import pytest

from stack.servers import PostgresPair
from tests.integration.conftest import STOCK, MakeShop
from tests.integration.shop import Shop, document, rows, value

CUSTOMERS, LAST = 200, 50
COUNT_JOBS = "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'send_confirmation'"
REFUSE = (
    "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN RAISE EXCEPTION 'refused by the test'; END $$"
)
# Before the job is there; and at the commit, when all is.
TOO_EARLY = (
    "CREATE TRIGGER refuse BEFORE INSERT ON procrastinate_jobs"
    " FOR EACH ROW EXECUTE FUNCTION refuse()"
)
TOO_LATE = (
    "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED"
    " FOR EACH ROW EXECUTE FUNCTION refuse()"
)


def kept(pair: PostgresPair) -> tuple[int, int, int]:
    """(orders, jobs, stock of product 1), as committed."""
    stock = "SELECT available FROM stock WHERE product_id = 1"
    orders = "SELECT count(*) FROM orders"
    query = f"SELECT ({orders}), ({COUNT_JOBS}), ({stock})"
    (found,) = rows(pair.primary_url, query)
    return found[0], found[1], found[2]


def test_an_order_takes_stock_costs_its_price_and_enqueues_its_job(
    shop: Shop, pair: PostgresPair
) -> None:
    token = shop.customer()
    placed = shop.order(token, 1, 3)
    assert placed.status_code == 201
    order = document(placed)
    price = document(shop.get("/api/products/1"))["price_cents"]
    assert order["total_cents"] == 3 * price
    assert document(shop.get(placed.headers["Location"], token)) == order
    assert kept(pair) == (1, 1, STOCK - 3)
    assert shop.sample("orders_total") == 1
    assert shop.sample("revenue_total", currency="EUR") == pytest.approx(3 * price / 100)


def test_the_same_key_again_answers_with_the_same_order(shop: Shop, pair: PostgresPair) -> None:
    token, key = shop.customer(), uuid.uuid4().hex
    first, second = shop.order(token, key=key), shop.order(token, key=key)
    assert (first.status_code, second.status_code) == (201, 200)
    assert document(first) == document(second)
    assert kept(pair) == (1, 1, STOCK - 1)
    assert shop.sample("orders_total") == 1


def test_the_same_key_at_the_same_moment_makes_one_order(shop: Shop, pair: PostgresPair) -> None:
    token, key, start = shop.customer(), uuid.uuid4().hex, Barrier(8)

    def place(_number: int) -> tuple[int, str]:
        start.wait()
        answer = shop.order(token, key=key)
        return answer.status_code, str(document(answer).get("id"))

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(place, range(8)))
    assert Counter(status for status, _ in answers) == {201: 1, 200: 7}
    assert len({order_id for _, order_id in answers}) == 1
    assert kept(pair) == (1, 1, STOCK - 1)


def test_the_same_key_with_another_body_is_refused(shop: Shop, pair: PostgresPair) -> None:
    token, key = shop.customer(), uuid.uuid4().hex
    shop.order(token, 1, 1, key)
    refused = shop.order(token, 1, 2, key)
    assert (refused.status_code, refused.mimetype) == (422, "application/problem+json")
    assert "Idempotency-Key" in document(refused)["detail"]
    assert kept(pair) == (1, 1, STOCK - 1)


def test_two_customers_may_use_the_same_key(shop: Shop, pair: PostgresPair) -> None:
    key = uuid.uuid4().hex
    assert [shop.order(shop.customer(), key=key).status_code for _ in range(2)] == [201, 201]
    assert kept(pair) == (2, 2, STOCK - 2)


def test_an_order_of_somebody_else_does_not_exist(shop: Shop) -> None:
    placed = shop.order(shop.customer())
    path = placed.headers["Location"]
    other, unknown = (
        shop.get(each, shop.customer()) for each in (path, f"/api/orders/{uuid.uuid4()}")
    )
    assert other.status_code == unknown.status_code == 404
    assert document(other)["detail"] == document(unknown)["detail"]
    assert shop.get(path).status_code == 401


def test_more_than_there_is_is_refused_and_takes_nothing(shop: Shop, pair: PostgresPair) -> None:
    token = shop.customer()
    body = {"items": [{"product_id": n, "quantity": q} for n, q in ((1, 1), (2, STOCK + 1))]}
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    refused = shop.call("POST", "/api/orders", token, json=body, headers=headers)
    assert refused.status_code == 409
    assert document(refused)["product_ids"] == [2]
    assert shop.sample("orders_refused_total", reason="out_of_stock") == 1
    assert kept(pair) == (0, 0, STOCK)


def test_stock_below_nothing_is_impossible_in_the_table_itself(
    clean: None, pair: PostgresPair
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        rows(pair.primary_url, "UPDATE stock SET available = -1 WHERE product_id = 1")


def test_two_hundred_that_want_the_last_fifty_get_exactly_fifty(
    make_shop: MakeShop, pair: PostgresPair
) -> None:
    # In one process all 200 wait for 8 connections; none shall give up for that.
    replicas = [make_shop(pool_timeout_seconds=30) for _ in range(2)]
    tokens = [replicas[0].customer() for _ in range(10)]
    rows(pair.primary_url, "UPDATE stock SET available = %s WHERE product_id = 1", (LAST,))
    start = Barrier(CUSTOMERS)

    def place(number: int) -> int:
        start.wait()
        return replicas[number % 2].order(tokens[number % 10]).status_code

    with ThreadPoolExecutor(CUSTOMERS) as pool:
        answers = Counter(pool.map(place, range(CUSTOMERS)))
    assert answers == {201: LAST, 409: CUSTOMERS - LAST}
    assert kept(pair) == (LAST, LAST, 0)
    each_once = "SELECT count(DISTINCT args->>'order_id') FROM procrastinate_jobs"
    assert value(pair.primary_url, each_once) == LAST
    assert sum(each.sample("orders_total") for each in replicas) == LAST


def test_orders_of_the_same_products_in_any_order_never_wait_for_each_other(
    make_shop: MakeShop, pair: PostgresPair
) -> None:
    shop = make_shop(pool_timeout_seconds=30)
    token, start = shop.customer(), Barrier(16)

    def place(number: int) -> int:
        lines = [{"product_id": each, "quantity": 1} for each in (1, 2, 3, 4)]
        body = {"items": lines[:: 1 if number % 2 else -1]}
        start.wait()
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        return shop.call("POST", "/api/orders", token, json=body, headers=headers).status_code

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(place, range(16))) == {201}
    assert kept(pair) == (16, 16, STOCK - 16)


@pytest.fixture(params=[TOO_EARLY, TOO_LATE], ids=["at the job", "at the commit"])
def refusing(request: pytest.FixtureRequest, clean: None, pair: PostgresPair) -> Iterator[None]:
    """The database refuses late in each order."""
    rows(pair.primary_url, REFUSE)
    rows(pair.primary_url, request.param)
    yield
    rows(pair.primary_url, "DROP FUNCTION IF EXISTS refuse CASCADE")


def test_an_order_that_fails_late_leaves_neither_order_nor_job_and_its_key_is_free(
    shop: Shop, refusing: None, pair: PostgresPair
) -> None:
    token, key = shop.customer(), uuid.uuid4().hex
    failed = shop.order(token, key=key)
    assert (failed.status_code, failed.mimetype) == (500, "application/problem+json")
    assert "refused by the test" not in failed.text
    assert kept(pair) == (0, 0, STOCK)
    assert shop.sample("orders_total") == 0
    rows(pair.primary_url, "DROP FUNCTION refuse CASCADE")
    assert shop.order(token, key=key).status_code == 201
    assert kept(pair) == (1, 1, STOCK - 1)
