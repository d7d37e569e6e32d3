"""Active users: a sorted set in Redis of when each account was last seen."""

from __future__ import annotations

import math
import time

from redis import Redis

from service.storage.cache import Cache, CacheAway

ACTIVE_SECONDS = 300
NOTE_EVERY_SECONDS = 30
KEY = "v1:active_users"
REMEMBERED_ACCOUNTS = 50_000


class Activity:
    """Notes who is active, at most each half minute an account, and counts them for a scrape."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._noted: dict[str, float] = {}

    def note(self, account_id: str) -> None:
        """This account is active now."""
        now = time.time()
        if now - self._noted.get(account_id, 0.0) < NOTE_EVERY_SECONDS:
            return
        if len(self._noted) > REMEMBERED_ACCOUNTS:
            self._noted.clear()
        self._noted[account_id] = now
        try:
            self._cache.call("activity", lambda redis: redis.zadd(KEY, {account_id: now}))
        except CacheAway:
            return

    def count(self) -> float:
        """Accounts seen in the last five minutes; NaN while Redis is away."""

        def trim_and_count(redis: Redis) -> int:
            redis.zremrangebyscore(KEY, 0, time.time() - ACTIVE_SECONDS)
            return redis.zcard(KEY)

        try:
            return float(self._cache.call("activity", trim_and_count))
        except CacheAway:
            return math.nan
