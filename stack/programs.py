"""Every program of the stack: its command, its environment, and how to tell that it is ready.

Listed in the order of starting; each stage is ready before the next starts.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from stack import postgres, redis_server
from stack.layout import REPLICAS, ROOT, Layout
from stack.render import service_environment
from stack.secrets import Secrets

BIN = ROOT / ".venv" / "bin"


@dataclass(frozen=True)
class Program:
    """``ready`` is "tcp:PORT" or "http:URL"; ``stop_seconds`` is how long it may take to stop."""

    name: str
    command: list[str]
    ready: str
    stage: int
    environment: dict[str, str] = field(default_factory=dict)
    user: str = ""
    stop_signal: str = "TERM"
    stop_seconds: int = 10


def programs(layout: Layout, keys: Secrets) -> list[Program]:
    """All of them, in the order of starting."""
    return [
        *_stores(layout),
        *_service(layout, keys),
        *_observers(layout),
        *_exporters(layout, keys),
    ]


def _http(layout: Layout, name: str, path: str) -> str:
    return f"http:http://{layout.address(name)}{path}"


def _stores(layout: Layout) -> list[Program]:
    user = postgres.USER if os.geteuid() == 0 else ""
    primary, replica = layout.state / "postgres-primary", layout.state / "postgres-replica"
    mail = ["-c", "aiosmtpd.handlers.Mailbox", str(layout.state / "mail" / "box")]
    return [
        # INT is PostgreSQL's fast shutdown; TERM would wait for every client to leave.
        Program(
            "postgres-primary",
            postgres.run_command(primary),
            f"tcp:{layout.port('postgres-primary')}",
            0,
            user=user,
            stop_signal="INT",
            stop_seconds=30,
        ),
        Program(
            "redis",
            redis_server.run_command(layout.state, layout.port("redis")),
            f"tcp:{layout.port('redis')}",
            0,
        ),
        Program(
            "smtp",
            [str(BIN / "python"), "-m", "aiosmtpd", "-n", "-l", layout.address("smtp"), *mail],
            f"tcp:{layout.port('smtp')}",
            0,
        ),
        Program(
            "postgres-replica",
            postgres.run_command(replica),
            f"tcp:{layout.port('postgres-replica')}",
            1,
            user=user,
            stop_signal="INT",
            stop_seconds=30,
        ),
    ]


def _service(layout: Layout, keys: Secrets) -> list[Program]:
    web = [
        Program(
            name,
            [str(BIN / "gunicorn"), "-c", "service/gunicorn.conf.py", "service.wsgi:app"],
            _http(layout, name, "/health"),
            2,
            {
                **service_environment(layout, keys, name),
                "FIREWATCH_BIND": layout.address(name),
                "FIREWATCH_METRICS_BIND": layout.address(f"{name}-metrics"),
            },
            stop_seconds=40,
        )
        for name in REPLICAS
    ]
    worker = Program(
        "worker",
        # Customers before confirmations: the worker yields the processor.
        ["nice", "-n", "5", str(BIN / "python"), "-m", "service.jobs.worker"],
        _http(layout, "worker-metrics", "/metrics"),
        2,
        {
            **service_environment(layout, keys, "worker"),
            "FIREWATCH_METRICS_BIND": layout.address("worker-metrics"),
        },
        stop_seconds=30,
    )
    config = str(layout.etc / "nginx.conf")
    nginx = ["/usr/sbin/nginx", "-e", str(layout.logs / "nginx-error.log"), "-c", config]
    edge = Program(
        "nginx", nginx, _http(layout, "nginx-status", "/stub_status"), 3, stop_signal="QUIT"
    )
    return [*web, worker, edge]


def _observers(layout: Layout) -> list[Program]:
    prometheus = [
        *("prometheus", f"--config.file={layout.etc}/prometheus/prometheus.yml"),
        f"--storage.tsdb.path={layout.state}/prometheus",
        *("--storage.tsdb.retention.time=15d", "--storage.tsdb.retention.size=2GB"),
        f"--web.listen-address={layout.address('prometheus')}",
        f"--web.external-url=http://{layout.address('prometheus')}/",
        "--enable-feature=exemplar-storage",
    ]
    alertmanager = [
        *("prometheus-alertmanager", f"--config.file={layout.etc}/alertmanager.yml"),
        f"--storage.path={layout.state}/alertmanager",
        f"--web.listen-address={layout.address('alertmanager')}",
        f"--web.external-url=http://{layout.address('alertmanager')}/",
        "--cluster.listen-address=",
    ]
    desk = [str(BIN / "gunicorn"), "-c", "desk/gunicorn.conf.py", "desk.wsgi:app"]
    desk_environment = {
        "FIREWATCH_DESK_BIND": layout.address("desk"),
        "FIREWATCH_DESK_DB": str(layout.state / "desk" / "desk.db"),
        "FIREWATCH_RUNBOOKS_DIR": str(ROOT / "runbooks"),
    }
    rotate = f"while sleep 60; do logrotate -s {layout.state}/logrotate.state {layout.etc}/logrotate.conf; done"
    return [
        Program("desk", desk, _http(layout, "desk", "/health"), 3, desk_environment),
        Program("alertmanager", alertmanager, _http(layout, "alertmanager", "/-/ready"), 3),
        Program("prometheus", prometheus, _http(layout, "prometheus", "/-/ready"), 3),
        Program("logrotate", ["sh", "-c", rotate], "", 3),
    ]


def _exporters(layout: Layout, keys: Secrets) -> list[Program]:
    def exporter(name: str, command: list[str], environment: dict[str, str]) -> Program:
        return Program(name, command, _http(layout, name, "/metrics"), 3, environment)

    def listen(name: str) -> str:
        return f"--web.listen-address={layout.address(name)}"

    status = f"http://{layout.address('nginx-status')}/stub_status"
    queries = f"--extend.query-path={layout.etc}/postgres-queries.yml"
    found = [
        exporter("node-exporter", ["prometheus-node-exporter", listen("node-exporter")], {}),
        exporter(
            "redis-exporter",
            [
                *("prometheus-redis-exporter", f"-redis.addr=redis://{layout.address('redis')}"),
                f"-web.listen-address={layout.address('redis-exporter')}",
            ],
            {},
        ),
        exporter(
            "nginx-exporter",
            [
                *("prometheus-nginx-exporter", f"-nginx.scrape-uri={status}"),
                f"-web.listen-address={layout.address('nginx-exporter')}",
            ],
            {},
        ),
        exporter(
            "blackbox-exporter",
            [
                *("prometheus-blackbox-exporter", f"--config.file={layout.etc}/blackbox.yml"),
                listen("blackbox-exporter"),
            ],
            {},
        ),
    ]
    for role, extra in (("primary", [queries]), ("replica", [])):
        name = f"postgres-exporter-{role}"
        address = layout.address(f"postgres-{role}")
        source = f"postgresql://monitor:{keys.monitor}@{address}/firewatch?sslmode=disable"
        command = ["prometheus-postgres-exporter", listen(name), *extra]
        found.append(exporter(name, command, {"DATA_SOURCE_NAME": source}))
    return found


def log_file(layout: Layout, program: Program) -> Path:
    """Where the supervisor keeps what ``program`` prints."""
    return layout.logs / f"{program.name}.log"
