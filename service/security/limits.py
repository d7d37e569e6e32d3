"""Rate limits and bans, by Flask-Limiter on Redis. While Redis is away they let everyone through.

Three limits: all requests of a client address; the API, by access token or address; attempts to
sign in or up, by address. Too many failed sign-ins ban an address from signing in for a while.
"""

from __future__ import annotations

import hashlib
import logging
import time
from typing import Any

from flask import Flask, Response, request
from flask_limiter import Limiter, RateLimitExceeded
from flask_limiter.util import get_remote_address
from limits import parse

from observability.instruments import Instruments
from service.errors import Problem, problem_response
from service.security import limit_storage
from service.settings import Settings
from service.storage.cache import Cache, CacheAway

log = logging.getLogger("firewatch.limits")


class Limits:
    """The limits of one application; ``init_app`` puts them on it."""

    def __init__(self, settings: Settings, cache: Cache, instruments: Instruments) -> None:
        self._settings = settings
        self._cache = cache
        self._instruments = instruments
        self._ban_limit = parse(settings.ban_failures)
        options: dict[str, Any] = {"cache": cache, "on_away": instruments.limiter_errors.inc}
        self.limiter = Limiter(
            get_remote_address,
            application_limits=[settings.limit_per_address],
            application_limits_exempt_when=_is_probe,
            storage_uri=limit_storage.URI,
            storage_options=options,
            strategy="fixed-window",
            enabled=settings.limits_enabled,
        )

    def init_app(self, app: Flask) -> None:
        """Check each request of ``app`` before it is handled."""
        self.limiter.init_app(app)
        app.register_error_handler(RateLimitExceeded, self._refused)

    def _refused(self, error: RateLimitExceeded) -> Response:
        limit = str(error.limit.limit)
        self._instruments.rate_limited.labels(limit).inc()
        seconds = error.limit.limit.get_expiry()
        current = self.limiter.current_limit
        if current is not None:
            seconds = max(1, int(current.window.reset_time - time.time()))
        headers = {"Retry-After": str(seconds)}
        return problem_response(Problem(429, f"The limit is {limit}.", headers=headers))

    def refuse_banned(self) -> None:
        """Refuse the request where its address is banned from signing in.

        Raises:
            Problem: 429, with Retry-After in seconds.
        """
        key = _ban_key()
        try:
            seconds = self._cache.call("ban_get", lambda redis: redis.ttl(key))
        except CacheAway:
            self._instruments.limiter_errors.inc()
            return
        if isinstance(seconds, int) and seconds > 0:
            self._instruments.sign_ins.labels("banned").inc()
            detail = "Too many failed attempts to sign in from this address."
            raise Problem(429, detail, headers={"Retry-After": str(seconds)})

    def count_failed_sign_in(self) -> None:
        """Count one failure of this address; the last one allowed brings the ban."""
        if not self._settings.limits_enabled:
            return
        strategy = self.limiter.limiter
        who = ("failed-sign-in", get_remote_address())
        strategy.hit(self._ban_limit, *who)
        if strategy.get_window_stats(self._ban_limit, *who).remaining == 0:
            self._ban()

    def _ban(self) -> None:
        key, seconds = _ban_key(), self._settings.ban_seconds
        try:
            self._cache.call("ban_set", lambda redis: redis.set(key, b"1", ex=seconds))
        except CacheAway:
            self._instruments.limiter_errors.inc()
            return
        self._instruments.bans.inc()
        log.warning("address banned", extra={"client.ip": get_remote_address()})


def token_or_address() -> str:
    """What the API's limit counts by. The token is not checked yet: a false one gains nothing,
    for the limit by address holds all the same."""
    token = request.headers.get("Authorization", "")
    if token:
        return hashlib.sha256(token.encode()).hexdigest()[:32]
    return get_remote_address()


def _is_probe() -> bool:
    return request.path.startswith("/health")


def _ban_key() -> str:
    return f"v1:ban:{get_remote_address()}"
