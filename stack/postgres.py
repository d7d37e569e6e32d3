"""PostgreSQL servers of our own: a primary, and a streaming replica of it. Used by tests too."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

BIN = Path("/usr/lib/postgresql/15/bin")
SLOT = "replica"
USER = "postgres"
CONFIG = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 100
shared_buffers = 128MB
wal_level = replica
max_wal_senders = 8
max_replication_slots = 8
max_slot_wal_keep_size = 1GB
hot_standby = on
hot_standby_feedback = on
wal_receiver_status_interval = 1s
password_encryption = scram-sha-256
log_destination = stderr
logging_collector = off
log_min_duration_statement = 500ms
log_line_prefix = '%m [%p] %q%u@%d '
"""
HBA = """
host all all 127.0.0.1/32 scram-sha-256
host replication replicator 127.0.0.1/32 scram-sha-256
"""


@dataclass(frozen=True)
class Passwords:
    """The passwords of the roles that are made."""

    owner: str
    replicator: str
    monitor: str


def _as_postgres(command: Sequence[str]) -> list[str]:
    # PostgreSQL refuses to run as root.
    if os.geteuid() != 0:
        return list(command)
    return ["runuser", "-u", USER, "--", *command]


def _run(command: Sequence[str], **environment: str) -> None:
    done = subprocess.run(
        _as_postgres(command),
        env={**os.environ, **environment},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{Path(command[0]).name} failed: {done.stderr.strip()}")


def reachable_folder(wanted: Path, elsewhere: Path) -> Path:
    """``wanted``, or ``elsewhere`` with a link from it, where user postgres cannot get there."""
    wanted.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        return wanted
    shutil.chown(wanted, USER, USER)
    if (
        subprocess.run(
            _as_postgres(["test", "-w", str(wanted)]), cwd="/", check=False
        ).returncode
        == 0
    ):
        return wanted
    wanted.rmdir()
    elsewhere.mkdir(parents=True, exist_ok=True)
    shutil.chown(elsewhere, USER, USER)
    wanted.symlink_to(elsewhere)
    return elsewhere


def run_command(data: Path) -> list[str]:
    """The command that runs the server in ``data`` in the foreground (as postgres' user if root)."""
    return [str(BIN / "postgres"), "-D", str(data.resolve())]


def is_made(data: Path) -> bool:
    return (data / "PG_VERSION").exists()


def make_primary(data: Path, port: int, passwords: Passwords) -> None:
    """Make a primary in ``data`` (an empty folder) with database and roles, stopped.

    Raises:
        RuntimeError: with initdb's or the server's words.
    """
    auth = (
        "--auth-host=scram-sha-256",
        "--auth-local=trust",
        "--encoding=UTF8",
        "--no-sync",
    )
    _run(
        [
            str(BIN / "initdb"),
            "-D",
            str(data),
            "--username=postgres",
            "--locale=C.UTF-8",
            *auth,
        ]
    )
    _append(data / "postgresql.conf", CONFIG.format(port=port))
    _write(data / "pg_hba.conf", HBA)
    statements = [
        f"CREATE ROLE firewatch LOGIN PASSWORD '{passwords.owner}'",
        f"CREATE ROLE replicator REPLICATION LOGIN PASSWORD '{passwords.replicator}'",
        f"CREATE ROLE monitor LOGIN PASSWORD '{passwords.monitor}' IN ROLE pg_monitor, pg_read_all_data",
        "CREATE DATABASE firewatch OWNER firewatch",
        f"SELECT pg_create_physical_replication_slot('{SLOT}')",
    ]
    for statement in statements:
        _single_user(data, statement)


def _single_user(data: Path, statement: str) -> None:
    command = [str(BIN / "postgres"), "--single", "-j", "-D", str(data), "postgres"]
    done = subprocess.run(
        _as_postgres(command),
        input=statement + ";\n\n",
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0 or "ERROR:" in done.stderr:
        raise RuntimeError(
            f"postgres refused a statement: {done.stderr.strip()[-300:]}"
        )


def make_replica(data: Path, port: int, primary_port: int, password: str) -> None:
    """Copy the running primary into ``data`` (an empty folder), to stream from it when started."""
    source = (
        f"host=127.0.0.1 port={primary_port} user=replicator application_name=replica"
    )
    _run(
        [
            *(
                str(BIN / "pg_basebackup"),
                "-D",
                str(data),
                "-d",
                source,
                "-R",
                "-S",
                SLOT,
            ),
            *("-X", "stream", "-c", "fast", "--no-sync"),
        ],
        PGPASSWORD=password,
    )
    _append(data / "postgresql.conf", f"port = {port}\n")


def _append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def _write(path: Path, text: str) -> None:
    path.write_text(text)
