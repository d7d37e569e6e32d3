"""Redis: the command line and configuration of one server, and a real three-primary cluster."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from string import Template

from stack.processes import run

_TEMPLATE = Path(__file__).with_name("templates") / "redis.conf"


def configure(
    folder: Path, port: int, *, max_memory_mb: int = 128, cluster_port: int | None = None
) -> Path:
    """Write redis.conf into `folder` (made if missing) and return its path.

    With `cluster_port` the server is a node of a cluster and talks to the others there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = Template(_TEMPLATE.read_text()).substitute(
        port=port, folder=folder.absolute(), max_memory_mb=max_memory_mb
    )
    if cluster_port is not None:
        text += f"cluster-enabled yes\ncluster-port {cluster_port}\ncluster-node-timeout 2000\n"
    config = folder / "redis.conf"
    config.write_text(text)
    return config


def command(config: Path) -> list[str]:
    """The command line that runs the server in the foreground."""
    return ["redis-server", str(config.absolute())]


def url(port: int) -> str:
    """A connection URL."""
    return f"redis://127.0.0.1:{port}/0"


def is_ready(port: int) -> bool:
    """Whether the server there answers PING."""
    return "PONG" in _ask(port, "PING")


def form_cluster(ports: Sequence[int]) -> None:
    """Join running nodes (at least three, all empty) into one cluster of primaries.

    Raises:
        StackError: with redis-cli's last line when it refuses.
    """
    nodes = [f"127.0.0.1:{port}" for port in ports]
    create = ["redis-cli", "--cluster", "create", *nodes, "--cluster-replicas", "0"]
    run([*create, "--cluster-yes"], "Creating the Redis cluster")


def cluster_is_ready(ports: Sequence[int]) -> bool:
    """Whether every node agrees that every slot is served."""
    return all("cluster_state:ok" in _ask(port, "CLUSTER", "INFO") for port in ports)


def _ask(port: int, *words: str) -> str:
    ask = ["redis-cli", "-h", "127.0.0.1", "-p", str(port), *words]
    try:
        return subprocess.run(ask, capture_output=True, text=True, check=False, timeout=2).stdout
    except subprocess.TimeoutExpired:
        return ""
