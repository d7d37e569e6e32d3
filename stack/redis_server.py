"""Redis servers of our own: one, or a cluster of three primaries for tests.

No persistence: what is in Redis is a copy (sessions stand in PostgreSQL, the catalogue too) or may
be forgotten (limits). With a memory limit and LRU eviction it stays a cache, whatever comes.
"""

from __future__ import annotations

from pathlib import Path


def run_command(folder: Path, port: int, *, cluster: bool = False) -> list[str]:
    """The command that runs a server in the foreground, with its files in ``folder``."""
    command = [
        *(
            "redis-server",
            "--bind",
            "127.0.0.1",
            "--port",
            str(port),
            "--dir",
            str(folder),
        ),
        *("--save", "", "--appendonly", "no", "--daemonize", "no"),
        *("--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru"),
    ]
    if cluster:
        command += ["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf"]
        command += ["--cluster-node-timeout", "2000"]
    return command


def cluster_create_command(ports: list[int]) -> list[str]:
    """The command that makes a cluster of the servers on ``ports``, all primaries."""
    nodes = [f"127.0.0.1:{port}" for port in ports]
    return [
        "redis-cli",
        "--cluster",
        "create",
        *nodes,
        "--cluster-replicas",
        "0",
        "--cluster-yes",
    ]
