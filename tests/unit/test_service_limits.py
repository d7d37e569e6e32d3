"""Limits and bans: counted in Redis; while it is away everyone passes, and that is counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, Response
from werkzeug.test import TestResponse

from observability.instruments import Instruments
from service.errors import Problem, install_error_handlers
from service.security import limit_storage
from service.security.limit_storage import FailOpenStorage
from service.security.limits import Limits, token_or_address
from tests.unit.service_support import FakeRedis, cache_on, settings


class Door:
    """A small application with a page, a probe and a sign-in that always fails."""

    def __init__(self, **changes: Any) -> None:
        self.redis, self.instruments = FakeRedis(), Instruments()
        self.limits = Limits(
            settings(**changes), cache_on(self.redis, self.instruments), self.instruments
        )
        app = Flask("door")
        install_error_handlers(app, self.instruments, 5)
        app.add_url_rule("/", "page", lambda: Response("page"))
        app.add_url_rule("/health", "health", lambda: Response("ok"))
        app.add_url_rule("/sign-in", "sign_in", self._sign_in)
        self.limits.init_app(app)
        self.client = app.test_client()

    def _sign_in(self) -> Response:
        self.limits.refuse_banned()
        self.limits.count_failed_sign_in()
        raise Problem(401, "wrong")

    def get(self, path: str, address: str = "192.0.2.1") -> TestResponse:
        return self.client.get(path, environ_base={"REMOTE_ADDR": address})

    def sample(self, name: str, **labels: str) -> float:
        return self.instruments.registry.get_sample_value(name, labels) or 0.0


def test_the_first_request_too_many_is_refused_with_the_time_to_wait() -> None:
    door = Door(limit_per_address="3 per minute")
    assert [door.get("/").status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = door.get("/")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert json.loads(refused.data)["detail"] == "The limit is 3 per 1 minute."
    assert door.sample("rate_limited_total", limit="3 per 1 minute") == 2


def test_another_address_and_the_probes_have_limits_of_their_own() -> None:
    door = Door(limit_per_address="1 per minute")
    assert [door.get("/").status_code for _ in range(2)] == [200, 429]
    assert door.get("/", "192.0.2.2").status_code == 200
    assert [door.get("/health").status_code for _ in range(5)] == [200] * 5


def test_limits_that_are_off_refuse_and_ban_nobody() -> None:
    door = Door(limit_per_address="1 per minute", limits_enabled=False)
    assert [door.get("/sign-in").status_code for _ in range(9)] == [401] * 9


def test_five_failed_sign_ins_ban_the_address_and_no_other() -> None:
    door = Door(ban_failures="5 per minute", ban_seconds=3600)
    assert [door.get("/sign-in").status_code for _ in range(5)] == [401] * 5
    banned = door.get("/sign-in")
    assert banned.status_code == 429
    assert 3590 <= int(banned.headers["Retry-After"]) <= 3600
    assert door.get("/sign-in", "192.0.2.2").status_code == 401
    assert door.get("/").status_code == 200
    assert door.sample("bans_total") == 1
    assert door.sample("sign_ins_total", result="banned") == 1


def test_a_ban_ends() -> None:
    door = Door(ban_failures="2 per minute")
    assert [door.get("/sign-in").status_code for _ in range(3)] == [401, 401, 429]
    door.redis.ends = dict.fromkeys(door.redis.ends, 0.0)  # as Redis: what is past its end is gone
    door.redis.values.clear()
    assert door.get("/sign-in").status_code == 401


def test_while_redis_is_away_everyone_passes_and_it_is_counted() -> None:
    door = Door(limit_per_address="1 per minute", ban_failures="1 per minute")
    door.redis.away = True
    assert [door.get("/").status_code for _ in range(5)] == [200] * 5
    assert door.sample("rate_limiter_errors_total") == 5
    assert [door.get("/sign-in").status_code for _ in range(3)] == [401] * 3
    assert door.sample("bans_total") == 0
    assert door.sample("unhandled_exceptions_total") == 0


def storage(redis: FakeRedis, on_away: Callable[[], None]) -> FailOpenStorage:
    cache = cache_on(redis, Instruments())
    return FailOpenStorage(limit_storage.URI, cache=cache, on_away=on_away)


def test_the_storage_counts_and_forgets() -> None:
    store = storage(FakeRedis(), lambda: None)
    assert [store.incr("k", 60) for _ in range(2)] == [1, 2]
    assert store.incr("k", 60, 5) == store.get("k") == 7
    store.clear("k")
    assert store.get("k") == 0
    assert store.check()


def test_each_call_that_finds_redis_away_answers_zero_and_is_told() -> None:
    away: list[int] = []
    redis = FakeRedis()
    store = storage(redis, lambda: away.append(1))
    redis.away = True
    assert [store.incr("k", 60), store.get("k"), store.incr("k", 60)] == [0, 0, 0]
    assert len(away) == 3
    assert not store.check()


def test_a_mistake_of_ours_is_not_taken_for_redis_being_away() -> None:
    redis = FakeRedis()
    redis.values["k"] = b"no number"
    with pytest.raises(ValueError, match="no number"):
        storage(redis, lambda: None).get("k")


def test_the_api_counts_by_token_and_keeps_no_token() -> None:
    app = Flask("who")

    def key(**headers: str) -> str:
        with app.test_request_context(headers=headers, environ_base={"REMOTE_ADDR": "192.0.2.1"}):
            return token_or_address()

    assert key() == "192.0.2.1"
    assert key(Authorization="Bearer one") != key(Authorization="Bearer two")
    assert "one" not in key(Authorization="Bearer one")
