"""Stores for tests: started on free ports, taken away without a trace.

with postgres_pair(folder) as pair, redis(folder) as cache, redis_cluster(folder) as cluster:
    ...
    pair.replica.stop(); pair.replica.start()
"""

from __future__ import annotations

import secrets
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stack import postgres, redis_server
from stack.processes import Process, free_ports, running, wait_until


@dataclass(frozen=True)
class PostgresPair:
    """A primary and its streaming replica; the URLs are the service's."""

    primary: Process
    replica: Process
    primary_url: str
    replica_url: str
    admin_url: str
    primary_port: int
    replica_port: int
    passwords: postgres.Passwords


@dataclass(frozen=True)
class Redis:
    """One Redis server."""

    server: Process
    url: str
    port: int


@dataclass(frozen=True)
class RedisCluster:
    """Three primaries; `url` names the first, which tells a client of the others."""

    nodes: tuple[Process, ...]
    url: str
    ports: tuple[int, ...]


@contextmanager
def postgres_pair(folder: Path) -> Iterator[PostgresPair]:
    """A primary and a replica that is streaming; their data is removed afterwards."""
    passwords = postgres.Passwords(*(secrets.token_hex(8) for _ in range(4)))
    primary_port, replica_port = free_ports(2)
    primary_data, replica_data = folder / "primary", folder / "replica"
    primary = _postgres("postgres-primary", primary_data, folder, primary_port)
    replica = _postgres("postgres-replica", replica_data, folder, replica_port)
    try:
        postgres.create_primary(primary_data, primary_port, passwords)
        primary.command = postgres.command(primary_data)
        with running(primary):
            postgres.create_replica(replica_data, replica_port, primary_port, passwords)
            replica.command = postgres.command(replica_data)
            with running(replica):
                wait_until(
                    lambda: postgres.is_streaming(replica_port, passwords.monitor),
                    20,
                    "Streaming",
                )
                yield PostgresPair(
                    primary=primary,
                    replica=replica,
                    primary_url=postgres.url(primary_port, "firewatch", passwords.firewatch),
                    replica_url=postgres.url(replica_port, "firewatch", passwords.firewatch),
                    admin_url=postgres.url(primary_port, "postgres", passwords.postgres),
                    primary_port=primary_port,
                    replica_port=replica_port,
                    passwords=passwords,
                )
    finally:
        postgres.remove(replica_data)
        postgres.remove(primary_data)


def _postgres(name: str, data: Path, folder: Path, port: int) -> Process:
    return Process(
        name,
        postgres.command(data),
        folder / f"{name}.log",
        lambda: postgres.is_ready(port),
        # A fast shutdown: SIGTERM would wait for every client to leave.
        stop_signal=signal.SIGINT,
    )


@contextmanager
def redis(folder: Path) -> Iterator[Redis]:
    """One Redis server without a password."""
    (port,) = free_ports(1)
    config = redis_server.configure(folder / "redis", port)
    server = Process(
        "redis",
        redis_server.command(config),
        folder / "redis.log",
        lambda: redis_server.is_ready(port),
    )
    with running(server):
        yield Redis(server, redis_server.url(port), port)


@contextmanager
def redis_cluster(folder: Path) -> Iterator[RedisCluster]:
    """Three primaries that serve all slots between them."""
    found = free_ports(6)
    ports, bus_ports = tuple(found[:3]), found[3:]
    nodes = tuple(_node(folder, port, bus) for port, bus in zip(ports, bus_ports, strict=True))
    with running(*nodes):
        redis_server.form_cluster(ports)
        wait_until(lambda: redis_server.cluster_is_ready(ports), 20, "The Redis cluster")
        yield RedisCluster(nodes, redis_server.url(ports[0]), ports)


def _node(folder: Path, port: int, bus: int) -> Process:
    home = folder / f"redis-{port}"
    # A node remembers its cluster in this folder; an old one would refuse to join.
    shutil.rmtree(home, ignore_errors=True)
    config = redis_server.configure(home, port, max_memory_mb=32, cluster_port=bus)
    return Process(
        f"redis-{port}",
        redis_server.command(config),
        folder / f"redis-{port}.log",
        lambda: redis_server.is_ready(port),
    )
