"""The catalogue: cached, read from the replica, and there whatever is away; on both kinds of Redis."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier
from typing import Any

import pytest
from redis import RedisCluster

from service.catalog.store import CatalogStore
from stack import redis_server, servers
from stack.processes import Process, wait_until
from stack.servers import PostgresPair
from tests.integration.conftest import MakeShop, await_replica, forget, stopped
from tests.integration.shop import Shop, document, rows

CUSTOMERS = 50


@dataclass(frozen=True)
class Cache:
    """A real Redis of one kind: how to reach it, what to take away, how to know that it is back."""

    settings: dict[str, Any]
    victim: Process
    ready: Callable[[], bool]


@pytest.fixture(params=["standalone", "cluster"])
def cache(request: pytest.FixtureRequest) -> Cache:
    if request.param == "standalone":
        one: servers.Redis = request.getfixturevalue("redis")
        ready = lambda: redis_server.is_ready(one.port)
        return Cache({"redis_url": one.url}, one.server, ready)
    three: servers.RedisCluster = request.getfixturevalue("cluster")
    forget(*three.ports)
    ready = lambda: redis_server.cluster_is_ready(three.ports)
    # One of three: enough to make the cluster refuse everything.
    return Cache({"redis_url": three.url, "redis_cluster": True}, three.nodes[1], ready)


@pytest.fixture
def shop(make_shop: MakeShop, cache: Cache) -> Shop:
    made = make_shop(**cache.settings)
    made.get("/health/ready")  # so that every pool has connected
    return made


def looked_up(shop: Shop, result: str, cache: str = "product") -> float:
    return shop.sample("cache_requests_total", cache=cache, result=result)


def test_a_product_is_read_once_and_then_comes_from_the_cache(shop: Shop) -> None:
    first, second = shop.get("/api/products/3"), shop.get("/api/products/3")
    assert first.data == second.data
    assert document(first)["id"] == 3
    assert (looked_up(shop, "miss"), looked_up(shop, "hit")) == (1, 1)
    assert shop.queries("product_get") == 1


def test_a_page_is_read_once_and_then_comes_from_the_cache(shop: Shop) -> None:
    first, second = (document(shop.get("/api/products?page=2")) for _ in range(2))
    assert first == second
    assert [item["id"] for item in first["items"]] == list(range(21, 41))
    assert (first["pages"], first["total"]) == (2, 40)
    assert (looked_up(shop, "miss", "page"), looked_up(shop, "hit", "page")) == (1, 1)


def test_that_a_product_is_not_there_is_remembered_too(shop: Shop) -> None:
    assert [shop.get("/api/products/999").status_code for _ in range(3)] == [404] * 3
    assert shop.queries("product_get") == 1


def test_what_one_replica_has_cached_the_other_finds(make_shop: MakeShop, cache: Cache) -> None:
    here, there = make_shop(**cache.settings), make_shop(**cache.settings)
    assert here.get("/api/products/4").data == there.get("/api/products/4").data
    assert (looked_up(there, "hit"), there.queries("product_get")) == (1, 0)


def test_a_changed_product_is_seen_when_its_time_in_the_cache_is_over(
    make_shop: MakeShop, cache: Cache, pair: PostgresPair
) -> None:
    shop = make_shop(**cache.settings, product_ttl_seconds=1)
    shop.get("/api/products/5")
    rows(pair.primary_url, "UPDATE products SET price_cents = 12345 WHERE id = 5")
    await_replica(pair)
    seen = lambda: document(shop.get("/api/products/5"))["price_cents"] == 12345
    wait_until(seen, 5, "The new price")


def test_an_order_leaves_the_cached_product_and_shows_in_its_stock(
    shop: Shop, pair: PostgresPair
) -> None:
    shop.get("/api/products/6")
    assert shop.order(shop.customer(), 6, 3).status_code == 201
    await_replica(pair)
    assert document(shop.get("/api/products/6/stock")) == {"product_id": 6, "available": 97}
    shop.get("/api/products/6")
    assert (looked_up(shop, "hit"), shop.queries("product_get")) == (1, 1)


def test_fifty_that_miss_at_once_read_the_database_once(make_shop: MakeShop, cache: Cache) -> None:
    replicas = [make_shop(**cache.settings) for _ in range(2)]
    for each in replicas:
        each.get("/api/products/1")
    start = Barrier(CUSTOMERS)

    def ask(number: int) -> bytes:
        start.wait()
        return bytes(replicas[number % 2].get("/api/products/8").data)

    before = sum(each.queries("product_get") for each in replicas)
    with ThreadPoolExecutor(CUSTOMERS) as pool:
        answers = set(pool.map(ask, range(CUSTOMERS)))
    assert len(answers) == 1
    assert sum(each.queries("product_get") for each in replicas) - before == 1


def test_one_that_missed_before_the_product_was_cached_reads_nothing_after(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Between its look and its turn, another customer's read comes and goes.
    get = shop.service.telemetry.instruments.cache_requests.labels("product", "miss").inc
    overtaken: list[bool] = []

    def miss(amount: float = 1) -> None:
        get(amount)
        if not overtaken:
            overtaken.append(True)
            shop.get("/api/products/9")

    counter = shop.service.telemetry.instruments.cache_requests.labels("product", "miss")
    monkeypatch.setattr(counter, "inc", miss)
    shop.get("/api/products/9")
    assert overtaken
    assert shop.queries("product_get") == 1


def test_a_read_that_fails_holds_up_nobody_after_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: CatalogStore, product_id: int) -> bytes:
        raise RuntimeError("broken")

    with monkeypatch.context() as patch:
        patch.setattr(CatalogStore, "_load_product", broken)
        assert shop.get("/api/products/10").status_code == 500
    waited = shop.sample("cache_operation_duration_seconds_count", operation="get")
    assert shop.get("/api/products/10").status_code == 200
    # One look, and one more with the lock in hand: it polled for nobody.
    assert shop.sample("cache_operation_duration_seconds_count", operation="get") - waited == 2


def test_reads_go_to_the_replica(shop: Shop) -> None:
    for path in ("/api/products/11", "/api/products?page=1", "/api/products/11/stock"):
        assert shop.get(path).status_code == 200
    for query in ("product_get", "product_page", "stock_get"):
        assert (shop.queries(query, "replica"), shop.queries(query, "primary")) == (1, 0)
    assert shop.sample("db_fallback_reads_total", target="replica") == 0


def test_while_the_replica_is_away_the_primary_is_read_and_that_is_counted(
    make_shop: MakeShop, cache: Cache, nowhere: str
) -> None:
    shop = make_shop(**cache.settings, replica_url=f"postgresql://a:b@{nowhere}/c")
    assert shop.get("/api/products/12").status_code == 200
    assert shop.queries("product_get", "primary") == 1
    assert shop.sample("db_fallback_reads_total", target="replica") == 1


def test_while_redis_is_away_the_database_answers_until_it_is_back(
    shop: Shop, cache: Cache
) -> None:
    paths = [f"/api/products/{number}" for number in range(1, 21)]
    cached = [shop.get(path).data for path in paths]
    with stopped(cache.victim):
        assert [shop.get(path).data for path in paths] == cached
        assert looked_up(shop, "error") > 0
    wait_until(cache.ready, 20, "Redis")
    hits = looked_up(shop, "hit")
    again = lambda: all(shop.get(path).data for path in paths) and looked_up(shop, "hit") > hits
    wait_until(again, 20, "A hit")


def test_the_keys_of_many_products_lie_on_every_node(
    make_shop: MakeShop, cluster: servers.RedisCluster
) -> None:
    forget(*cluster.ports)
    shop = make_shop(redis_url=cluster.url, redis_cluster=True)
    for number in range(1, 41):
        shop.get(f"/api/products/{number}")
    with RedisCluster.from_url(cluster.url) as client:
        sizes = [client.dbsize(target_nodes=node) for node in client.get_primaries()]
    assert len(sizes) == 3
    assert min(sizes) > 0
