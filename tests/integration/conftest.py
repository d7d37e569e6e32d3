"""Real servers, started once for all of these tests; a fresh shop over them for each test."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
import pytest
import redis as redis_client
from cryptography.fernet import Fernet

from observability.telemetry import TelemetryOptions
from service import app
from service.catalog.seed import seed_products
from service.settings import Settings
from service.storage.schema import migrate
from service.stores import telemetry_options
from stack import servers
from stack.processes import Process, free_ports, wait_until
from tests.integration.shop import Shop, value

OWNED = ("FIREWATCH_", "OTEL_", "SENTRY_")
PRODUCTS, STOCK = 40, 100
EMPTY = (
    "TRUNCATE accounts, sessions, products, stock, orders, order_items, confirmations,"
    " procrastinate_jobs, procrastinate_events, procrastinate_workers,"
    " procrastinate_periodic_defers RESTART IDENTITY CASCADE"
)
MakeShop: TypeAlias = Callable[..., Shop]


@pytest.fixture(scope="session", autouse=True)
def own_environment() -> Iterator[None]:
    """Whatever the shell sets for a service of its own is not meant for these."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [each for each in os.environ if each.startswith(OWNED)]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="session", autouse=True)
def no_metrics_port() -> Iterator[None]:
    """Shops within this process are asked for their metrics directly; a port takes half a second
    to close."""

    def without_port(settings: Settings, role: str) -> TelemetryOptions:
        return replace(telemetry_options(settings, role), metrics_address=None)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "telemetry_options", without_port)
        yield


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """For all that the servers keep. PostgreSQL's own user must be able to pass through it."""
    with tempfile.TemporaryDirectory(prefix="firewatch-integration-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture(scope="session")
def pair(folder: Path) -> Iterator[servers.PostgresPair]:
    with servers.postgres_pair(folder) as made:
        migrate(made.primary_url)
        yield made


@pytest.fixture(scope="session")
def redis(folder: Path) -> Iterator[servers.Redis]:
    with servers.redis(folder) as made:
        yield made


@pytest.fixture(scope="session")
def cluster(folder: Path) -> Iterator[servers.RedisCluster]:
    with servers.redis_cluster(folder) as made:
        yield made


@pytest.fixture
def clean(pair: servers.PostgresPair, redis: servers.Redis) -> None:
    """Nobody has an account, nobody has ordered, all products are there, the cache is cold."""
    with psycopg.connect(pair.primary_url) as connection:
        connection.execute(EMPTY)
        seed_products(connection, PRODUCTS, STOCK, lambda _line: None)
    forget(redis.port)
    await_replica(pair)


def forget(*ports: int) -> None:
    """Empty these Redis servers."""
    for port in ports:
        with redis_client.Redis(port=port) as client:
            client.flushall()


def await_replica(pair: servers.PostgresPair) -> None:
    """Wait until the replica has all that the primary was told up to now."""
    told = value(pair.primary_url, "SELECT pg_current_wal_lsn()::text")
    has = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
    wait_until(lambda: bool(value(pair.replica_url, has, (told,))), 20, "The replica", every=0.02)


@contextmanager
def stopped(*processes: Process) -> Iterator[None]:
    """The servers are away within the block, and ready after it."""
    for process in processes:
        process.stop()
    try:
        yield
    finally:
        for process in processes:
            process.start()


@pytest.fixture(scope="session")
def encryption_key() -> str:
    return Fernet.generate_key().decode()


@pytest.fixture(scope="session")
def base_settings(
    pair: servers.PostgresPair, redis: servers.Redis, encryption_key: str
) -> dict[str, Any]:
    """The settings of a shop: quick password hashes, every trace kept, no limits."""
    return {
        "database_url": pair.primary_url,
        "replica_url": pair.replica_url,
        "redis_url": redis.url,
        "smtp_url": "smtp://127.0.0.1:1",
        "encryption_keys": (encryption_key,),
        "blind_index_key": "i" * 32,
        "argon2_memory_kib": 8,
        "argon2_iterations": 1,
        "limits_enabled": False,
        "OTEL_TRACES_SAMPLER_ARG": 1.0,
    }


@pytest.fixture
def defaults(base_settings: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """The same, with a log of the test's own."""
    return {**base_settings, "log_file": str(tmp_path / "web.jsonl")}


@pytest.fixture
def make_shop(clean: None, defaults: dict[str, Any]) -> Iterator[MakeShop]:
    """Makes replicas; settings given by name differ from the defaults."""
    made: list[Shop] = []

    def make(**settings: Any) -> Shop:
        made.append(Shop(Settings(**{**defaults, **settings})))
        return made[-1]

    yield make
    for shop in made:
        shop.close()


@pytest.fixture
def shop(make_shop: MakeShop) -> Shop:
    return make_shop()


@pytest.fixture
def nowhere() -> str:
    """host:port at which nobody listens."""
    return f"127.0.0.1:{free_ports(1)[0]}"
