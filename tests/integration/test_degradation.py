"""A store goes away and comes back: what customers still get, and that nobody has to restart."""

from __future__ import annotations

import uuid

from werkzeug.test import TestResponse

from stack.processes import wait_until
from stack.servers import PostgresPair, Redis
from tests.integration.conftest import MakeShop, await_replica, stopped
from tests.integration.shop import Shop, document, new_email, value

CATALOGUE = ("/api/products/2", "/api/products?page=2", "/api/products/2/stock")


def refused_for_now(answer: TestResponse) -> bool:
    """Whether the answer says 503, as a problem, and when to try again."""
    return (
        answer.status_code == 503
        and answer.mimetype == "application/problem+json"
        and answer.headers["Retry-After"] == "5"
    )


def statuses(shop: Shop) -> list[int]:
    return [shop.get(path).status_code for path in CATALOGUE]


def test_without_the_primary_the_catalogue_answers_orders_wait_and_all_comes_back(
    shop: Shop, pair: PostgresPair
) -> None:
    token, email, key = shop.customer(), new_email(), uuid.uuid4().hex
    shop.sign_up(email)
    await_replica(pair)
    with stopped(pair.primary):
        assert statuses(shop) == [200, 200, 200]
        assert refused_for_now(shop.order(token, key=key))
        assert refused_for_now(shop.sign_up(new_email()))
        assert refused_for_now(shop.sign_in(email))
        # Signed in stays signed in, whether or not Redis knows the session: the replica does.
        assert shop.get("/api/me", token).status_code == 200
        assert shop.get("/health").status_code == 200
        assert shop.sample("db_fallback_reads_total", target="primary") > 0
    shop.recovers(token)
    # What was refused has left nothing behind, so its key is still free.
    assert shop.order(token, key=key).status_code == 201


def test_a_restart_of_the_primary_costs_no_customer_a_failed_order(
    shop: Shop, pair: PostgresPair
) -> None:
    token = shop.customer()
    with stopped(pair.primary):
        pass
    assert shop.order(token).status_code == 201


def test_without_the_replica_every_read_answers_and_the_replica_is_used_again(
    shop: Shop, pair: PostgresPair
) -> None:
    token = shop.customer()
    with stopped(pair.replica):
        assert statuses(shop) == [200, 200, 200]
        assert shop.order(token).status_code == 201
        assert shop.sample("db_fallback_reads_total", target="replica") >= 3
        # It serves as before, so it is not taken out of rotation.
        assert shop.get("/health/ready").status_code == 200
    before = shop.queries("stock_get", "replica")

    def read_there() -> bool:
        shop.get("/api/products/2/stock")
        return shop.queries("stock_get", "replica") > before

    wait_until(read_there, 20, "A read from the replica")


def test_without_redis_the_shop_is_open(shop: Shop, redis: Redis) -> None:
    token = shop.customer()
    with stopped(redis.server):
        assert statuses(shop) == [200, 200, 200]
        assert shop.get("/api/me", token).status_code == 200
        assert shop.order(token).status_code == 201
        assert shop.order(shop.customer()).status_code == 201
        assert shop.sample("active_users") != shop.sample("active_users")  # not a number: unknown
    shop.recovers(token)


def test_a_sign_out_while_redis_is_away_holds_when_it_is_back(shop: Shop, redis: Redis) -> None:
    token = shop.customer()
    shop.get("/api/me", token)
    with stopped(redis.server):
        assert shop.call("DELETE", "/api/sessions", token).status_code == 204
        assert shop.get("/api/me", token).status_code == 401
    wait_until(lambda: shop.get("/health/ready").status_code == 200, 20, "Readiness")
    assert shop.get("/api/me", token).status_code == 401


def test_without_any_database_what_is_cached_is_served_and_the_rest_waits(
    shop: Shop, pair: PostgresPair
) -> None:
    token = shop.customer()
    shop.get("/api/products/2")
    with stopped(pair.replica, pair.primary):
        assert shop.get("/api/products/2").status_code == 200
        assert refused_for_now(shop.get("/api/products/3"))
        assert refused_for_now(shop.order(token))
    shop.recovers(token)
    assert shop.get("/api/products/3").status_code == 200


def test_a_shop_that_starts_while_all_is_away_serves_when_all_is_there(
    make_shop: MakeShop, pair: PostgresPair, redis: Redis
) -> None:
    with stopped(pair.replica, pair.primary, redis.server):
        shop = make_shop()
        assert shop.get("/health").status_code == 200
        assert refused_for_now(shop.get("/api/products/1"))
    wait_until(lambda: shop.get("/health/ready").status_code == 200, 20, "Readiness")
    shop.recovers(shop.customer())


def test_an_order_that_was_refused_for_now_is_not_in_the_table(
    shop: Shop, pair: PostgresPair
) -> None:
    token = shop.customer()
    with stopped(pair.primary):
        assert refused_for_now(shop.order(token))
    assert value(pair.primary_url, "SELECT count(*) FROM orders") == 0
    assert value(pair.primary_url, "SELECT count(*) FROM procrastinate_jobs") == 0
    shop.recovers(token)


def test_readiness_says_which_part_is_missing_and_who_can_do_without(
    shop: Shop, pair: PostgresPair, redis: Redis
) -> None:
    assert document(shop.get("/health/ready")) == {
        "ready": True,
        "parts": {"lifecycle": "ok", "primary": "ok", "schema": "ok", "cache": "ok"},
    }
    with stopped(pair.primary):
        assert missing(shop) == {"primary": "unreachable"}
    wait_until(lambda: shop.get("/health/ready").status_code == 200, 20, "Readiness")
    with stopped(redis.server):
        assert missing(shop) == {"cache": "unreachable"}
    wait_until(lambda: shop.get("/health/ready").status_code == 200, 20, "Readiness")


def missing(shop: Shop) -> dict[str, str]:
    """The parts that are not well; a balancer that allows for it goes on sending customers."""
    strict = shop.get("/health/ready")
    assert strict.status_code == 503
    assert document(strict)["ready"] is False
    assert shop.get("/health/ready?degraded=allowed").status_code == 200
    parts: dict[str, str] = document(strict)["parts"]
    return {name: state for name, state in parts.items() if state != "ok"}


def test_a_replica_that_drains_is_not_ready_for_anyone_but_still_answers(shop: Shop) -> None:
    shop.service.lifecycle.start_drain()
    for path in ("/health/ready", "/health/ready?degraded=allowed"):
        ready = shop.get(path)
        assert ready.status_code == 503
        assert document(ready)["parts"]["lifecycle"] == "draining"
    assert shop.get("/health").status_code == 200
    assert shop.order(shop.customer()).status_code == 201
