"""What must hold before a start, and what tells that a part is ready."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Callable

import httpx
import psutil

from stack.layout import HOST, PORTS, Layout

MIN_FREE_BYTES = 2 * 1024**3
BINARIES = {
    "/usr/lib/postgresql/15/bin/postgres": "postgresql-15",
    "redis-server": "redis-server",
    "/usr/sbin/nginx": "nginx-light",
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "prometheus-node-exporter": "prometheus-node-exporter",
    "prometheus-postgres-exporter": "prometheus-postgres-exporter",
    "prometheus-redis-exporter": "prometheus-redis-exporter",
    "prometheus-nginx-exporter": "prometheus-nginx-exporter",
    "prometheus-blackbox-exporter": "prometheus-blackbox-exporter",
}


class CannotStart(Exception):
    """The stack cannot start; the message is one sentence that says why."""


def check_packages() -> None:
    """Raises CannotStart, naming the first package that is missing."""
    for binary, package in BINARIES.items():
        if shutil.which(binary) is None and shutil.which(f"/usr/bin/{binary}") is None:
            raise CannotStart(f"The Debian package {package} is missing; run stack/bootstrap.sh.")


def check_disk(layout: Layout) -> None:
    """Raises CannotStart when less than 2 GB are free."""
    free = shutil.disk_usage(layout.state).free
    if free < MIN_FREE_BYTES:
        raise CannotStart(f"Only {free // 1024**2} MB are free on the disk; the stack needs 2 GB.")


def check_ports(layout: Layout) -> None:
    """Raises CannotStart, naming the first port that is taken, for what, and by whom."""
    for name in PORTS:
        port = layout.port(name)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                holder = _holder(port)
                raise CannotStart(f"Port {port}, meant for {name}, is taken{holder}.") from None


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.pid:
                process = psutil.Process(connection.pid)
                return f" by {process.name()} (pid {connection.pid})"
    except psutil.Error:
        pass
    return ""


def is_ready(ready: str) -> bool:
    """Whether a program answers: ``tcp:PORT``, ``http:URL``, or always where it has no address."""
    kind, _, where = ready.partition(":")
    if kind == "tcp":
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex((HOST, int(where))) == 0
    if kind == "http":
        try:
            return httpx.get(where, timeout=2).status_code == 200
        except httpx.HTTPError:
            return False
    return True


def wait_until(what: Callable[[], bool], seconds: float) -> bool:
    """Ask ``what`` until it is true, for at most ``seconds``; whether it became true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if what():
            return True
        time.sleep(0.1)
    return what()


def targets_down(layout: Layout) -> list[str]:
    """Prometheus' targets that are not up, as "job/instance"."""
    url = f"http://{layout.address('prometheus')}/api/v1/targets?state=active"
    try:
        targets = httpx.get(url, timeout=3).json()["data"]["activeTargets"]
    except (httpx.HTTPError, KeyError, ValueError):
        return ["prometheus does not answer"]
    if not targets:
        return ["prometheus has no targets yet"]
    return [
        f"{target['labels']['job']}/{target['labels']['instance']}"
        for target in targets
        if target["health"] != "up"
    ]
