"""PostgreSQL: a primary and a streaming replica, made and configured without a running server.

Both listen on 127.0.0.1 alone and ask everybody for a password (SCRAM). As root, PostgreSQL must
run as the user `postgres`; as an ordinary user everything runs as that user.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from string import Template

import psycopg

from stack.errors import StackError
from stack.processes import run

DATABASE = "firewatch"
SLOT = "replica"
_TEMPLATES = Path(__file__).with_name("templates")
_SYSTEM_HOME = Path("/var/lib/firewatch")


@dataclass(frozen=True)
class Passwords:
    """One password for each role, of URL-safe characters."""

    postgres: str
    firewatch: str
    replicator: str
    monitor: str


def binaries() -> Path:
    """The folder of the newest PostgreSQL server here (15 or later).

    Raises:
        StackError: when there is none.
    """
    found = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if path.is_dir()]
    newest = max(found, key=lambda path: int(path.parent.name), default=None)
    if newest is None or int(newest.parent.name) < 15:
        raise StackError("PostgreSQL 15 or later is not installed (package postgresql-15).")
    return newest


def as_server_user(command: list[str]) -> list[str]:
    """The same command, run as `postgres` when we are root (it refuses to run as root)."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--", *command]


def command(data: Path) -> list[str]:
    """The command line that runs the server of that folder in the foreground."""
    return as_server_user([str(binaries() / "postgres"), "-D", str(home(data))])


def url(port: int, user: str, password: str, database: str = DATABASE) -> str:
    """A connection URL."""
    return f"postgresql://{user}:{password}@127.0.0.1:{port}/{database}"


def is_ready(port: int) -> bool:
    """Whether the server there takes connections."""
    check = [str(binaries() / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    return subprocess.run(check, check=False).returncode == 0


def is_streaming(port: int, password: str) -> bool:
    """Whether the replica there takes connections and receives the primary's changes."""
    status = "SELECT status FROM pg_stat_wal_receiver"
    return _ask(url(port, "monitor", password), status) == "streaming"


def lost_its_replica(port: int, password: str) -> bool:
    """Whether the primary there has dropped changes that its replica still lacked."""
    status = f"SELECT wal_status FROM pg_replication_slots WHERE slot_name = '{SLOT}'"
    return _ask(url(port, "monitor", password), status) == "lost"


def renew_slot(port: int, passwords: Passwords) -> None:
    """Give the replica a new place on the running primary; it must then be made anew."""
    execute(port, passwords, f"SELECT pg_drop_replication_slot('{SLOT}')", user="postgres")
    create = f"SELECT pg_create_physical_replication_slot('{SLOT}', true)"
    execute(port, passwords, create, user="postgres")


def execute(port: int, passwords: Passwords, statement: str, user: str = "firewatch") -> None:
    """Run one statement in the database.

    Raises:
        StackError: with the server's words.
    """
    try:
        with psycopg.connect(url(port, user, getattr(passwords, user))) as connection:
            connection.execute(statement.encode())
    except psycopg.Error as error:
        raise StackError(f"PostgreSQL refused: {str(error).strip()}") from None


def _ask(where: str, query: str) -> object:
    try:
        with psycopg.connect(where, connect_timeout=2) as connection:
            row = connection.execute(query.encode()).fetchone()
            return row[0] if row else None
    except psycopg.Error:
        return None


def create_primary(data: Path, port: int, passwords: Passwords) -> None:
    """Make the primary's folder unless it is there, and write its configuration.

    Roles: `firewatch` owns the database of that name, `replicator` may replicate, `monitor` may
    read statistics. The slot keeps what a stopped replica still needs, up to a limit.
    """
    _create(data, lambda folder: _initialise(folder, port, passwords))
    _configure(data.resolve(), port, standby="")


def create_replica(data: Path, port: int, primary_port: int, passwords: Passwords) -> None:
    """Copy the running primary unless the folder is there, and write the configuration."""
    _create(data, lambda folder: _copy_primary(folder, primary_port, passwords))
    conninfo = (
        f"host=127.0.0.1 port={primary_port} user=replicator password={passwords.replicator}"
        " application_name=replica"
    )
    # Here and not in postgresql.auto.conf, where pg_basebackup -R would freeze port and password.
    standby = f"primary_conninfo = '{conninfo}'\nprimary_slot_name = '{SLOT}'\n"
    _configure(data.resolve(), port, standby)
    _write(data.resolve() / "standby.signal", "")


def is_made(data: Path) -> bool:
    """Whether a server was made there."""
    return (data / "PG_VERSION").exists()


def _create(data: Path, fill: Callable[[Path], object]) -> None:
    if is_made(data):
        return
    folder = _place(data)
    # Filled aside and then renamed: a half-made folder is never taken for a whole one.
    aside = folder.with_name(folder.name + ".new")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(mode=0o700)
    _give(aside)
    try:
        fill(aside)
    except StackError:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    aside.rename(folder)
    if folder != data:
        data.symlink_to(folder)


def _place(data: Path) -> Path:
    """The folder's true place, empty: nothing points to what may still be there."""
    data.parent.mkdir(parents=True, exist_ok=True)
    remove(data)
    folder = home(data)
    if folder != data:
        _SYSTEM_HOME.mkdir(mode=0o755, exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
    return folder


def home(data: Path) -> Path:
    """Where the folder is or would be: `data` itself, or a place that `postgres` can reach."""
    if data.is_symlink():
        return data.resolve()
    if _reachable(data.parent):
        return data
    return _SYSTEM_HOME / hashlib.sha256(str(data.absolute()).encode()).hexdigest()[:16]


def remove(data: Path) -> None:
    """Remove the folder for good, wherever it really is."""
    shutil.rmtree(data.resolve(), ignore_errors=True)
    data.unlink(missing_ok=True)


def _reachable(folder: Path) -> bool:
    check = as_server_user(["test", "-x", str(folder.absolute())])
    return subprocess.run(check, check=False, cwd="/").returncode == 0


def _give(path: Path) -> None:
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(path, owner.pw_uid, owner.pw_gid)


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
    _give(path)


def _initialise(folder: Path, port: int, passwords: Passwords) -> None:
    initdb = [str(binaries() / "initdb"), "--pgdata", str(folder), "--username=postgres"]
    initdb += ["--auth=reject", "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums"]
    run(as_server_user(initdb), "initdb", cwd="/")
    _configure(folder, port, standby="")
    # Single-user mode: no port is ever open while a role has no password.
    single = [str(binaries() / "postgres"), "--single", "-j", "-D", str(folder), "postgres"]
    told = run(as_server_user(single), "Creating the database", text=_roles(passwords), cwd="/")
    if "ERROR:" in told:
        raise StackError(f"Creating the database failed: {told.partition('ERROR:')[2].strip()}")


def _roles(passwords: Passwords) -> str:
    values = {"database": DATABASE, "slot": SLOT, **vars(passwords)}
    return Template((_TEMPLATES / "roles.sql").read_text()).substitute(values)


def _copy_primary(folder: Path, primary_port: int, passwords: Passwords) -> None:
    copy = [str(binaries() / "pg_basebackup"), "--pgdata", str(folder), "--host=127.0.0.1"]
    copy += [f"--port={primary_port}", "--username=replicator", "--no-password"]
    copy += [f"--slot={SLOT}", "--wal-method=stream", "--checkpoint=fast"]
    secret = {**os.environ, "PGPASSWORD": passwords.replicator}
    run(as_server_user(copy), "Copying the primary", env=secret, cwd="/")


def _configure(folder: Path, port: int, standby: str) -> None:
    text = Template((_TEMPLATES / "postgresql.conf").read_text()).substitute(port=port)
    _write(folder / "postgresql.conf", text + standby)
    _write(folder / "pg_hba.conf", (_TEMPLATES / "pg_hba.conf").read_text())
