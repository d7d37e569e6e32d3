"""The programs that watch: Prometheus, Alertmanager, the desk, the exporters, logrotate."""

from __future__ import annotations

from stack import postgres, readiness
from stack.checks import find
from stack.layout import BIN, ROOT, Layout
from stack.programs import EDGE, Program
from stack.readiness import Ready
from stack.secrets import Secrets

RETENTION = ("--storage.tsdb.retention.time=15d", "--storage.tsdb.retention.size=2GB")


def observers(layout: Layout) -> list[Program]:
    """What collects, pages and is read by people."""
    return [_desk(layout), _alertmanager(layout), _prometheus(layout), _logrotate(layout)]


def _http(layout: Layout, name: str, path: str) -> Ready:
    return readiness.http(f"http://{layout.address(name)}{path}")


def _desk(layout: Layout) -> Program:
    environment = {
        "FIREWATCH_DESK_BIND": layout.address("desk"),
        "FIREWATCH_DESK_DB": str(layout.state / "desk" / "desk.db"),
        "FIREWATCH_RUNBOOKS_DIR": str(ROOT / "runbooks"),
    }
    command = [str(BIN / "gunicorn"), "-c", "desk/gunicorn.conf.py", "desk.wsgi:app"]
    return Program("desk", command, EDGE, _http(layout, "desk", "/health"), environment)


def _alertmanager(layout: Layout) -> Program:
    config = layout.etc / "alertmanager.yml"
    command = [
        find("prometheus-alertmanager"),
        f"--config.file={config}",
        f"--storage.path={layout.state}/alertmanager",
        f"--web.listen-address={layout.address('alertmanager')}",
        f"--web.external-url=http://{layout.address('alertmanager')}/",
        # One alone: without this it would listen for others on every interface.
        "--cluster.listen-address=",
    ]
    return Program(
        "alertmanager",
        command,
        EDGE,
        _http(layout, "alertmanager", "/-/ready"),
        configs=(config,),
        reload_signal="HUP",
    )


def _prometheus(layout: Layout) -> Program:
    folder = layout.etc / "prometheus"
    command = [
        find("prometheus"),
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={layout.state}/prometheus",
        *RETENTION,
        f"--web.listen-address={layout.address('prometheus')}",
        f"--web.external-url=http://{layout.address('prometheus')}/",
        "--enable-feature=exemplar-storage",
    ]
    return Program(
        "prometheus",
        command,
        EDGE,
        _http(layout, "prometheus", "/-/ready"),
        # Target lists it watches by itself.
        configs=(folder / "prometheus.yml", *sorted((folder / "rules").glob("*.yml"))),
        reload_signal="HUP",
        stop_seconds=30,
    )


def _logrotate(layout: Layout) -> Program:
    rotate = f"{find('logrotate')} -s {layout.state}/logrotate.state {layout.etc}/logrotate.conf"
    return Program(
        "logrotate",
        ["sh", "-c", f"while :; do {rotate}; sleep 60; done"],
        EDGE,
        readiness.at_once,
        stop_group=True,
    )


def exporters(layout: Layout, keys: Secrets) -> list[Program]:
    """What tells Prometheus about parts that do not speak its language."""
    status = f"http://{layout.address('nginx-status')}/stub_status"
    redis = f"redis://{layout.address('redis')}"
    blackbox = layout.etc / "blackbox.yml"
    return [
        _exporter(layout, "node-exporter", []),
        _exporter(layout, "redis-exporter", [f"--redis.addr={redis}"]),
        _exporter(layout, "nginx-exporter", [f"-nginx.scrape-uri={status}"]),
        Program(
            "blackbox-exporter",
            _exporter(layout, "blackbox-exporter", [f"--config.file={blackbox}"]).command,
            EDGE,
            _http(layout, "blackbox-exporter", "/metrics"),
            # Its configuration names the certificate authority beside it.
            directory=layout.state / "tls",
            configs=(blackbox, layout.ca),
        ),
        _postgres_exporter(layout, keys, "primary"),
        _postgres_exporter(layout, keys, "replica"),
    ]


def _exporter(layout: Layout, name: str, options: list[str]) -> Program:
    dash = "-" if name == "nginx-exporter" else "--"
    listen = f"{dash}web.listen-address={layout.address(name)}"
    command = [find(f"prometheus-{name}"), listen, *options]
    return Program(name, command, EDGE, _http(layout, name, "/metrics"))


def _postgres_exporter(layout: Layout, keys: Secrets, role: str) -> Program:
    name = f"postgres-exporter-{role}"
    queries = layout.etc / f"postgres-{role}-queries.yml"
    source = postgres.url(layout.port(f"postgres-{role}"), "monitor", keys.monitor)
    return Program(
        name,
        [
            find("prometheus-postgres-exporter"),
            f"--web.listen-address={layout.address(name)}",
            f"--extend.query-path={queries}",
        ],
        EDGE,
        _http(layout, name, "/metrics"),
        {"DATA_SOURCE_NAME": f"{source}?sslmode=disable"},
        configs=(queries,),
    )
