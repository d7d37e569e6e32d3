"""Redis as a cache: every call may fail, and a failure is a miss that is counted, never an error.

Standalone and Redis Cluster differ only in ``connect_redis``. Keys start with a version of their
form, so that two releases that store different things can run side by side.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any, TypeVar, cast

from opentelemetry.trace import SpanKind, Tracer
from redis import Redis, RedisCluster
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from observability.instruments import Instruments
from observability.tracing import child_span
from service.storage.breaker import Breaker, BreakerOpen

AWAY = (RedisError, OSError)
KEY_VERSION = "v1"
LOCK_SECONDS = 3
LOCK_WAIT_SECONDS = 0.3
T = TypeVar("T")


class CacheAway(Exception):
    """Redis did not answer."""


def connect_redis(url: str, *, cluster: bool, timeout_seconds: float) -> Redis:
    """A client for one server or for a cluster; it connects when first used."""
    options: dict[str, Any] = {
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": timeout_seconds,
        "health_check_interval": 0,
    }
    if cluster:
        return cast(Redis, RedisCluster.from_url(url, **options))
    return Redis.from_url(url, retry=Retry(NoBackoff(), 1), **options)


class Cache:
    """Get, put and delete of bytes, and the guarded ``fetch``; see the module's description."""

    def __init__(
        self,
        connect: Callable[[], Redis],
        instruments: Instruments,
        tracer: Tracer,
    ) -> None:
        self._connect = connect
        self._client: Redis | None = None
        self._instruments = instruments
        self._tracer = tracer
        self.breaker = Breaker("redis", lambda error: isinstance(error, AWAY))

    def call(self, operation: str, work: Callable[[Redis], T]) -> T:
        """Run ``work`` on the client, timed and traced.

        Raises:
            CacheAway: Redis is away, or was a moment ago.
        """
        try:
            return self.breaker.call(lambda: self._timed(operation, work))
        except (BreakerOpen, *AWAY) as error:
            raise CacheAway from error

    def _timed(self, operation: str, work: Callable[[Redis], T]) -> T:
        attributes = {"db.system.name": "redis", "db.operation.name": operation}
        started = time.perf_counter()
        try:
            with child_span(self._tracer, f"redis {operation}", SpanKind.CLIENT, attributes):
                return work(self.client())
        finally:
            seconds = time.perf_counter() - started
            self._instruments.cache_duration.labels(operation).observe(seconds)

    def client(self) -> Redis:
        # A cluster's client asks for the slots when made, so it is made when first needed: a cache
        # that is away at the start must not keep the service from starting.
        if self._client is None:
            self._client = self._connect()
        return self._client

    def get(self, cache: str, key: str) -> bytes | None:
        """The value of ``key``, or None; counted as hit, miss or error of ``cache``."""
        try:
            value = self._look(cache, key)
        except CacheAway:
            self._instruments.cache_requests.labels(cache, "error").inc()
            return None
        self._instruments.cache_requests.labels(cache, "hit" if value else "miss").inc()
        return value

    def put(self, cache: str, key: str, value: bytes, ttl_seconds: float) -> None:
        """Keep ``value`` for about ``ttl_seconds`` (spread by a tenth: no herd at one moment)."""
        milliseconds = int(ttl_seconds * random.uniform(900, 1000))
        try:
            self.call("set", lambda redis: redis.set(_key(cache, key), value, px=milliseconds))
        except CacheAway:
            return

    def delete(self, cache: str, key: str) -> None:
        """Forget ``key``, if Redis is there to be told."""
        try:
            self.call("delete", lambda redis: redis.delete(_key(cache, key)))
        except CacheAway:
            return

    def fetch(
        self, cache: str, key: str, ttl_seconds: float, load: Callable[[], bytes | None]
    ) -> bytes | None:
        """``get``, or ``load`` and ``put``; of many that miss at once, over all replicas, one loads.

        The others wait for it, but never longer than LOCK_WAIT_SECONDS: then they load too.
        """
        value = self.get(cache, key)
        if value is not None:
            return value
        if self._take_lock(cache, key):
            return self._load_alone(cache, key, ttl_seconds, load)
        return self._wait_for_other(cache, key) or self._load(cache, key, ttl_seconds, load)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def _take_lock(self, cache: str, key: str) -> bool:
        lock = _key("lock", f"{cache}:{key}")
        try:
            return bool(
                self.call("lock", lambda redis: redis.set(lock, b"1", nx=True, ex=LOCK_SECONDS))
            )
        except CacheAway:
            return True

    def _load_alone(
        self, cache: str, key: str, ttl_seconds: float, load: Callable[[], bytes | None]
    ) -> bytes | None:
        try:
            # Another may have loaded it, and let go, between our look and our lock.
            return self._peek(cache, key) or self._load(cache, key, ttl_seconds, load)
        finally:
            # Even when the load fails: nobody after us shall wait for it.
            self.delete("lock", f"{cache}:{key}")

    def _load(
        self, cache: str, key: str, ttl_seconds: float, load: Callable[[], bytes | None]
    ) -> bytes | None:
        value = load()
        if value is not None:
            self.put(cache, key, value, ttl_seconds)
        return value

    def _peek(self, cache: str, key: str) -> bytes | None:
        """``get``, not counted: the customer's look-up was counted already."""
        try:
            return self._look(cache, key)
        except CacheAway:
            return None

    def _wait_for_other(self, cache: str, key: str) -> bytes | None:
        give_up = time.monotonic() + LOCK_WAIT_SECONDS
        while time.monotonic() < give_up:
            time.sleep(0.01)
            try:
                value = self._look(cache, key)
            except CacheAway:
                return None
            if value is not None:
                return value
        return None

    def _look(self, cache: str, key: str) -> bytes | None:
        return cast("bytes | None", self.call("get", lambda redis: redis.get(_key(cache, key))))


def _key(cache: str, key: str) -> str:
    return f"{KEY_VERSION}:{cache}:{key}"
