"""Writes every part's configuration under the state folder: shared files copied, addresses filled in."""

from __future__ import annotations

import os
from pathlib import Path
from string import Template

import yaml

from stack.layout import PORTS, REPLICAS, ROOT, Layout
from stack.secrets import Secrets

TEMPLATES = Path(__file__).parent / "templates"
Targets = list[tuple[str, dict[str, str]]]


def render_all(layout: Layout) -> None:
    """Render all configuration of ``layout``; the same input gives the same files."""
    values = {"state": str(layout.state), "ca": str(layout.ca)}
    _fill("blackbox.yml", layout.etc / "blackbox.yml", values)
    _fill("postgres-queries.yml", layout.etc / "postgres-queries.yml", {})
    _fill("logrotate.conf", layout.etc / "logrotate.conf", values)
    (layout.etc / "logrotate.conf").chmod(0o644)
    _fill("nginx.conf", layout.etc / "nginx.conf", {**values, **_nginx(layout)})
    _prometheus(layout)
    _moved(ROOT / "alerts" / "alertmanager.yml", layout.etc / "alertmanager.yml", layout)


def _fill(name: str, path: Path, values: dict[str, str]) -> None:
    path.write_text(Template((TEMPLATES / name).read_text()).substitute(values))


def _nginx(layout: Layout) -> dict[str, str]:
    servers = [
        f"        server {layout.address(name)} max_fails=3 fail_timeout=2s;" for name in REPLICAS
    ]
    return {
        "servers": "\n".join(servers),
        "https": str(layout.port("edge-https")),
        "http": str(layout.port("edge-http")),
        "status": str(layout.port("nginx-status")),
        "user": "user root;" if os.geteuid() == 0 else "",
    }


def _prometheus(layout: Layout) -> None:
    folder = layout.etc / "prometheus"
    for name in ("rules", "targets"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    shared = ROOT / "observability" / "prometheus" / "prometheus.yml"
    (folder / "prometheus.yml").write_text(shared.read_text())
    for rules in sorted((ROOT / "alerts").glob("*.rules.yml")):
        _moved(rules, folder / "rules" / rules.name, layout)
    for job, targets in _targets(layout).items():
        entries = [{"targets": [address], "labels": labels} for address, labels in targets]
        (folder / "targets" / f"{job}.yml").write_text(yaml.safe_dump(entries))


def _targets(layout: Layout) -> dict[str, Targets]:
    def one(name: str, port: str = "") -> tuple[str, dict[str, str]]:
        return layout.address(port or name), {"instance": name}

    edge = f"https://localhost:{layout.port('edge-https')}/health"
    blackbox_address, _ = one("blackbox-exporter")
    return {
        "web": [
            (layout.address(f"{name}-metrics"), {"instance": name, "slot": "blue"})
            for name in REPLICAS
        ],
        "worker": [one("worker", "worker-metrics")],
        "desk": [one("desk")],
        "prometheus": [one("prometheus")],
        "alertmanager": [one("alertmanager")],
        "node": [one("node", "node-exporter")],
        "postgres": [
            one("postgres-primary", "postgres-exporter-primary"),
            one("postgres-replica", "postgres-exporter-replica"),
        ],
        "redis": [one("redis", "redis-exporter")],
        "nginx": [one("nginx", "nginx-exporter")],
        "blackbox": [(blackbox_address, {"instance": "edge", "probe": edge})],
    }


def _moved(source: Path, path: Path, layout: Layout) -> None:
    # Rules and routes name the native stack's own addresses; a stack at an offset has others.
    text = source.read_text()
    for name in ("desk", "prometheus", "alertmanager"):
        text = text.replace(f"127.0.0.1:{PORTS[name]}", layout.address(name))
    path.write_text(text)


def service_environment(layout: Layout, keys: Secrets, instance: str) -> dict[str, str]:
    """The settings of one process of the service (service/settings.py)."""
    database = f"postgresql://firewatch:{keys.owner}@127.0.0.1"
    return {
        "FIREWATCH_DATABASE_URL": f"{database}:{layout.port('postgres-primary')}/firewatch",
        "FIREWATCH_REPLICA_URL": f"{database}:{layout.port('postgres-replica')}/firewatch",
        "FIREWATCH_REDIS_URL": f"redis://{layout.address('redis')}/0",
        "FIREWATCH_SMTP_URL": f"smtp://{layout.address('smtp')}",
        "FIREWATCH_ENCRYPTION_KEYS": keys.encryption_key,
        "FIREWATCH_BLIND_INDEX_KEY": keys.blind_index_key,
        "FIREWATCH_TRUSTED_PROXIES": "127.0.0.1/32",
        "FIREWATCH_INSTANCE": instance,
        "FIREWATCH_LOG_FILE": str(layout.logs / f"{instance}.jsonl"),
        "FIREWATCH_TRACE_FILE": str(layout.logs / f"traces-{instance}.jsonl"),
    }
