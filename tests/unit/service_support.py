"""What the tests of the service share: right settings, a small Redis in memory, lines caught as ECS,
and a web server that keeps what it is sent. Nothing here needs a server to be running.
"""

from __future__ import annotations

import gzip
import importlib
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, cast

from cryptography.fernet import Fernet
from opentelemetry.trace import NoOpTracer
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from observability.instruments import Instruments
from observability.logs import EcsFormatter
from service.settings import Settings
from service.storage.cache import Cache

KEY = Fernet.generate_key().decode()
# Port 1 is answered by nobody: the stores are away.
NEEDED = {
    "database_url": "postgresql://nobody@127.0.0.1:1/none",
    "redis_url": "redis://127.0.0.1:1/0",
    "smtp_url": "smtp://127.0.0.1:1",
    "encryption_keys": KEY,
    "blind_index_key": "i" * 32,
}
ENVIRONMENT = {f"FIREWATCH_{name.upper()}": value for name, value in NEEDED.items()}


def settings(**changes: Any) -> Settings:
    """Settings that are right, with ``changes``."""
    values: dict[str, Any] = {**NEEDED, **changes}
    return Settings(**values)


class FakeRedis:
    """The few commands that limits and bans use; ``away`` makes each of them fail."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.ends: dict[str, float] = {}
        self.away = False

    def eval(self, _script: str, _keys: int, key: str, amount: str, expiry: str) -> int:
        count = int(self.get(key) or 0) + int(amount)
        self.values[key] = str(count).encode()
        self.ends.setdefault(key, time.time() + int(expiry))
        return count

    def get(self, key: str) -> bytes | None:
        self._answer()
        return self.values.get(key)

    def set(self, key: str, value: bytes, ex: int) -> bool:
        self._answer()
        self.values[key], self.ends[key] = value, time.time() + ex
        return True

    def ttl(self, key: str) -> int:
        self._answer()
        return round(self.ends[key] - time.time()) if key in self.ends else -2

    def delete(self, key: str) -> int:
        self._answer()
        self.ends.pop(key, None)
        return int(self.values.pop(key, None) is not None)

    def ping(self) -> bool:
        self._answer()
        return True

    def _answer(self) -> None:
        if self.away:
            raise RedisConnectionError("away")


def cache_on(redis: FakeRedis, instruments: Instruments) -> Cache:
    """The service's cache, on ``redis``."""
    return Cache(lambda: cast(Redis, redis), instruments, NoOpTracer())


class Lines(logging.Handler):
    """Keeps what is logged as the ECS documents that would be written."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(EcsFormatter({"service.name": "unit"}))
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.texts]


@contextmanager
def lines_of(name: str) -> Iterator[Lines]:
    """Catch what the logger ``name``, and those below it, log inside the block."""
    logger, lines = logging.getLogger(name), Lines()
    level = logger.level
    logger.addHandler(lines)
    logger.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        logger.removeHandler(lines)
        logger.setLevel(level)


class Catcher(ThreadingHTTPServer):
    """Answers every POST with 200; ``posts`` holds the paths and the bodies, unpacked."""

    daemon_threads = True

    def __init__(self) -> None:
        self.posts: list[tuple[str, bytes]] = []
        super().__init__(("127.0.0.1", 0), _Keep)
        Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()


class _Keep(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        plain = _unpacked(body, self.headers.get("Content-Encoding", "identity"))
        cast(Catcher, self.server).posts.append((self.path, plain))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test says what it saw."""


def _unpacked(body: bytes, encoding: str) -> bytes:
    # A packed body would hide any secret from the tests that look for one.
    if encoding == "br":  # so does Sentry where it finds the package
        return bytes(importlib.import_module("brotli").decompress(body))
    if encoding == "gzip":
        return gzip.decompress(body)
    assert encoding == "identity", encoding
    return body


@contextmanager
def catcher() -> Iterator[Catcher]:
    """A Catcher on a free port, for the block."""
    server = Catcher()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
