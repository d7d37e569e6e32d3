"""The service's own programs and its stores, and the list of all, in the order of starting."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from stack import postgres, readiness, redis_server
from stack.checks import find
from stack.layout import BIN, REPLICAS, ROOT, Layout
from stack.readiness import Ready
from stack.secrets import Secrets

PRIMARY, STORES, SERVICE, EDGE = range(4)
# Whoever runs the stack may set these for the service; see service/settings.py.
PASSED_ON = ("FIREWATCH_", "OTEL_", "SENTRY_")
NOT_PASSED_ON = ("FIREWATCH_STATE_DIR", "FIREWATCH_PORT_OFFSET")


@dataclass(frozen=True)
class Program:
    """One supervised program.

    All programs of a stage are ready before the next stage starts. ``configs`` are the files that
    it reads; when one has changed it is sent ``reload_signal``, or restarted if it has none.
    """

    name: str
    command: list[str]
    stage: int
    ready: Ready
    environment: dict[str, str] = field(default_factory=dict)
    directory: Path = ROOT
    configs: tuple[Path, ...] = ()
    reload_signal: str = ""
    stop_signal: str = "TERM"
    stop_seconds: int = 10
    stop_group: bool = False


def stores(layout: Layout, keys: Secrets) -> list[Program]:
    """PostgreSQL twice, Redis, and the mail box."""
    primary, replica = layout.port("postgres-primary"), layout.port("postgres-replica")
    redis, smtp = layout.port("redis"), layout.port("smtp")
    mail = ["-c", "aiosmtpd.handlers.Mailbox", str(layout.state / "mail" / "box")]
    redis_config = layout.state / "redis" / "redis.conf"
    return [
        _postgres("postgres-primary", layout.primary, PRIMARY, lambda: postgres.is_ready(primary)),
        Program(
            "redis",
            redis_server.command(redis_config),
            PRIMARY,
            lambda: redis_server.is_ready(redis),
            configs=(redis_config,),
        ),
        Program(
            "smtp",
            [str(BIN / "python"), "-m", "aiosmtpd", "-n", "-l", layout.address("smtp"), *mail],
            PRIMARY,
            readiness.tcp(smtp),
        ),
        _postgres(
            "postgres-replica",
            layout.replica,
            STORES,
            lambda: postgres.is_streaming(replica, keys.monitor),
        ),
    ]


def _postgres(name: str, data: Path, stage: int, ready: Ready) -> Program:
    return Program(
        name,
        postgres.command(data),
        stage,
        ready,
        directory=Path("/"),
        configs=(data / "postgresql.conf", data / "pg_hba.conf"),
        reload_signal="HUP",
        # PostgreSQL's fast shutdown; TERM would wait for every client to leave.
        stop_signal="INT",
        stop_seconds=30,
    )


def service(layout: Layout, keys: Secrets) -> list[Program]:
    """The replicas, the worker, and the edge before them."""
    return [*(_replica(layout, keys, name) for name in REPLICAS), _worker(layout, keys)]


def _replica(layout: Layout, keys: Secrets, name: str) -> Program:
    environment = {
        **service_environment(layout, keys, name),
        "FIREWATCH_BIND": layout.address(name),
        "FIREWATCH_METRICS_BIND": layout.address(f"{name}-metrics"),
    }
    return Program(
        name,
        [str(BIN / "gunicorn"), "-c", "service/gunicorn.conf.py", "service.wsgi:app"],
        SERVICE,
        readiness.http(f"http://{layout.address(name)}/health/ready?degraded=allowed"),
        environment,
        # Longer than it may take to drain and to finish what is in flight.
        stop_seconds=40,
    )


def _worker(layout: Layout, keys: Secrets) -> Program:
    environment = {
        **service_environment(layout, keys, "worker"),
        "FIREWATCH_METRICS_BIND": layout.address("worker-metrics"),
    }
    return Program(
        "worker",
        # Customers before confirmations: the worker yields the processor.
        ["nice", "-n", "5", str(BIN / "python"), "-m", "service.jobs"],
        SERVICE,
        readiness.http(f"http://{layout.address('worker-metrics')}/metrics"),
        environment,
        stop_seconds=40,
    )


def edge(layout: Layout) -> Program:
    """nginx."""
    config, log = layout.etc / "nginx.conf", layout.logs / "nginx-error.log"
    return Program(
        "nginx",
        [find("nginx"), "-e", str(log), "-c", str(config)],
        EDGE,
        readiness.http(f"http://{layout.address('nginx-status')}/stub_status"),
        configs=(config, layout.state / "tls" / "server.pem"),
        reload_signal="HUP",
        # Leave when the last answer is out; what is left after ten seconds is killed.
        stop_signal="QUIT",
    )


def service_environment(layout: Layout, keys: Secrets, instance: str) -> dict[str, str]:
    """The settings of one process of the service (service/settings.py)."""
    own = {
        "FIREWATCH_DATABASE_URL": _database(layout, keys, "postgres-primary"),
        "FIREWATCH_REPLICA_URL": _database(layout, keys, "postgres-replica"),
        "FIREWATCH_REDIS_URL": redis_server.url(layout.port("redis")),
        "FIREWATCH_SMTP_URL": f"smtp://{layout.address('smtp')}",
        "FIREWATCH_ENCRYPTION_KEYS": keys.encryption_key,
        "FIREWATCH_BLIND_INDEX_KEY": keys.blind_index_key,
        "FIREWATCH_TRUSTED_PROXIES": "127.0.0.1/32",
        "FIREWATCH_SLOT": "blue",
        "FIREWATCH_INSTANCE": instance,
        "FIREWATCH_LOG_FILE": str(layout.logs / f"{instance}.jsonl"),
        "FIREWATCH_TRACE_FILE": str(layout.logs / f"traces-{instance}.jsonl"),
    }
    chosen = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(PASSED_ON) and name not in NOT_PASSED_ON
    }
    return {**own, **chosen}


def _database(layout: Layout, keys: Secrets, server: str) -> str:
    return postgres.url(layout.port(server), "firewatch", keys.firewatch)
