"""Writes each part's configuration below the state folder: shared files copied, addresses put in."""

from __future__ import annotations

import os
from pathlib import Path
from string import Template

import yaml

from stack import redis_server
from stack.layout import PORTS, REPLICAS, ROOT, Layout

TEMPLATES = Path(__file__).parent / "templates"
OBSERVABILITY = ROOT / "observability"
# Shared files name these by the addresses of a native stack without an offset.
NAMED_IN_SHARED_FILES = ("desk", "prometheus", "alertmanager", "smtp")


def render_all(layout: Layout) -> None:
    """Render all configuration of ``layout``; the same input gives the same files."""
    state = {"state": str(layout.state)}
    _fill("nginx.conf", layout.etc / "nginx.conf", {**state, **_nginx(layout)})
    _fill("logrotate.conf", layout.etc / "logrotate.conf", state)
    # logrotate reads no file that others may write to, whatever the umask.
    (layout.etc / "logrotate.conf").chmod(0o644)
    for role in ("primary", "replica"):
        name = f"postgres-{role}-queries.yml"
        _fill(name, layout.etc / name, {})
    redis_server.configure(layout.state / "redis", layout.port("redis"))
    _moved(OBSERVABILITY / "blackbox" / "blackbox.yml", layout.etc / "blackbox.yml", layout)
    _moved(ROOT / "alerts" / "alertmanager.yml", layout.etc / "alertmanager.yml", layout)
    _prometheus(layout)


def _fill(name: str, path: Path, values: dict[str, str]) -> None:
    path.write_text(Template((TEMPLATES / name).read_text()).substitute(values))


def _nginx(layout: Layout) -> dict[str, str]:
    servers = (f"server {layout.address(name)} max_fails=3 fail_timeout=2s;" for name in REPLICAS)
    return {
        "servers": "\n        ".join(servers),
        "https": layout.address("edge-https"),
        "https_port": str(layout.port("edge-https")),
        "http": layout.address("edge-http"),
        "status": layout.address("nginx-status"),
        "user": "user root;" if os.geteuid() == 0 else "",
    }


def _prometheus(layout: Layout) -> None:
    folder = layout.etc / "prometheus"
    rules, targets = folder / "rules", folder / "targets"
    for each in (rules, targets):
        each.mkdir(parents=True, exist_ok=True)
    _moved(OBSERVABILITY / "prometheus" / "prometheus.yml", folder / "prometheus.yml", layout)
    sources = sorted((ROOT / "alerts").glob("*.rules.yml"))
    for gone in {path.name for path in rules.iterdir()} - {path.name for path in sources}:
        (rules / gone).unlink()
    for source in sources:
        _moved(source, rules / source.name, layout)
    for job, entries in _targets(layout).items():
        (targets / f"{job}.yml").write_text(yaml.safe_dump(entries, sort_keys=False))


def _targets(layout: Layout) -> dict[str, list[dict[str, object]]]:
    def target(instance: str, port: str, **labels: str) -> dict[str, object]:
        return {"targets": [layout.address(port)], "labels": {"instance": instance, **labels}}

    edge = f"https://localhost:{layout.port('edge-https')}/health"
    return {
        "web": [target(name, f"{name}-metrics", slot="blue") for name in REPLICAS],
        "worker": [target("worker", "worker-metrics")],
        "desk": [target("desk", "desk")],
        "prometheus": [target("prometheus", "prometheus")],
        "alertmanager": [target("alertmanager", "alertmanager")],
        "node": [target("node", "node-exporter")],
        "postgres": [
            target(f"postgres-{role}", f"postgres-exporter-{role}")
            for role in ("primary", "replica")
        ],
        "redis": [target("redis", "redis-exporter")],
        "nginx": [target("nginx", "nginx-exporter")],
        "blackbox": [target("edge", "blackbox-exporter", target=edge)],
    }


def _moved(source: Path, path: Path, layout: Layout) -> None:
    text = source.read_text()
    for name in NAMED_IN_SHARED_FILES:
        text = text.replace(f"127.0.0.1:{PORTS[name]}", layout.address(name))
    path.write_text(text)
