"""Where Flask-Limiter counts: in Redis through our cache, so with its breaker, timing and tracing.

``limits``' own Redis storage connects at start-up in cluster mode and raises when Redis is away;
this one, by the library's documented extension point, answers "nothing counted yet" instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

from limits.storage import Storage
from redis import Redis

from service.storage.cache import Cache, CacheAway

URI = "firewatch-cache://"

# One command, so that no counter is ever left without an end.
COUNT = """
local count = redis.call('INCRBY', KEYS[1], ARGV[1])
if count == tonumber(ARGV[1]) then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return count
"""


class FailOpenStorage(Storage):
    """Counts in ``cache``; each call that finds it away is told to ``on_away``."""

    STORAGE_SCHEME = ["firewatch-cache"]  # noqa: RUF012 (so the library declares it)

    def __init__(
        self, uri: str, *, cache: Cache, on_away: Callable[[], None], **options: Any
    ) -> None:
        super().__init__(uri, wrap_exceptions=False)
        self._cache = cache
        self._on_away = on_away

    @property
    def base_exceptions(self) -> type[Exception]:
        return CacheAway

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """The count of ``key`` after adding ``amount``; the first one sets its life of ``expiry`` s."""

        def count(redis: Redis) -> int:
            return cast(int, redis.eval(COUNT, 1, key, str(amount), str(expiry)))

        return self._call("limit", count)

    def get(self, key: str) -> int:
        return self._call("limit_get", lambda redis: int(cast(bytes, redis.get(key) or b"0")))

    def get_expiry(self, key: str) -> float:
        """When ``key``'s window ends, in seconds since 1970."""
        left = self._call("limit_ttl", lambda redis: redis.ttl(key))
        return time.time() + max(0, left)

    def check(self) -> bool:
        try:
            return bool(self._cache.call("ping", lambda redis: redis.ping()))
        except CacheAway:
            return False

    def reset(self) -> int | None:
        raise NotImplementedError("limits end by themselves")

    def clear(self, key: str) -> None:
        self._call("limit_clear", lambda redis: redis.delete(key))

    def _call(self, operation: str, work: Callable[[Redis], int]) -> int:
        try:
            return self._cache.call(operation, work)
        except CacheAway:
            self._on_away()
            return 0
