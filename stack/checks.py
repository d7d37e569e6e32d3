"""What must hold before a start: packages, disk, free ports."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterable

import psutil

from stack import postgres
from stack.errors import StackError
from stack.layout import HOST, Layout

MIN_FREE_BYTES = 2 * 1024**3
PACKAGES = {
    "redis-server": "redis-server",
    "redis-cli": "redis-tools",
    "nginx": "nginx-light",
    "logrotate": "logrotate",
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "prometheus-node-exporter": "prometheus-node-exporter",
    "prometheus-postgres-exporter": "prometheus-postgres-exporter",
    "prometheus-redis-exporter": "prometheus-redis-exporter",
    "prometheus-nginx-exporter": "prometheus-nginx-exporter",
    "prometheus-blackbox-exporter": "prometheus-blackbox-exporter",
}
# An ordinary user's PATH lacks the folders of the servers.
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def check_machine(layout: Layout) -> None:
    """Packages and disk.

    Raises:
        StackError: naming the first thing that is missing.
    """
    postgres.binaries()
    for binary in PACKAGES:
        find(binary)
    free = shutil.disk_usage(layout.state).free
    if free < MIN_FREE_BYTES:
        raise StackError(
            f"Only {free // 1024**2} MB are free on the disk of {layout.state}; 2048 MB are needed."
        )


def find(binary: str) -> str:
    """The full path of a program that a Debian package brings.

    Raises:
        StackError: naming the package.
    """
    found = shutil.which(binary, path=SEARCH_PATH)
    if found is None:
        package = PACKAGES.get(binary, binary)
        raise StackError(f"The package {package} is missing; stack/bootstrap.sh installs it.")
    return found


def check_ports(layout: Layout, names: Iterable[str]) -> None:
    """Whether the ports of these names (of PORTS) can be listened on.

    Raises:
        StackError: naming the first port that is taken, what wanted it and, if known, who has it.
    """
    for name in names:
        port = layout.port(name)
        if not _is_free(port):
            raise StackError(f"Port {port}, which {name} needs, is taken{_holder(port)}.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.pid:
                process = psutil.Process(connection.pid)
                return f" by {process.name()} (process {connection.pid})"
    except psutil.Error:
        pass
    return ""
