"""Starting, starting again, crashing, stopping: what an operator relies on."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from stack import postgres, survivors
from stack.errors import StackError
from stack.layout import ROOT, Layout
from stack.processes import wait_until
from tests.offsets import free_offset
from tests.stack.live import LiveStack


def test_status_exits_0_and_names_every_program(stack: LiveStack) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "stack", "status"],
        env={
            **os.environ,
            "FIREWATCH_PORT_OFFSET": str(stack.layout.offset),
            "FIREWATCH_STATE_DIR": str(stack.layout.state),
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(program.name in done.stdout for program in stack.programs)


@pytest.mark.parametrize("name", ["web-blue-1", "worker", "redis", "nginx"])
def test_a_killed_program_is_started_again(stack: LiveStack, name: str) -> None:
    before = stack.pid(name)
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: stack.pid(name) not in (0, before), 20, f"Another process of {name}")
    stack.await_well(name)


def test_the_replica_has_what_the_primary_was_told(stack: LiveStack) -> None:
    def connect(server: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(stack.database_url(server))

    with connect("postgres-primary") as primary:
        primary.execute("CREATE TABLE IF NOT EXISTS told (word text)")
        primary.execute("INSERT INTO told VALUES ('hello')")
    with connect("postgres-replica") as replica:
        count = "SELECT count(*) FROM told"
        wait_until(lambda: bool(replica.execute(count).fetchone() == (1,)), 10, "The replica")
    with connect("postgres-primary") as primary:
        primary.execute("DROP TABLE told")


def test_the_monitor_counts_jobs_but_reads_no_customer(stack: LiveStack) -> None:
    url = postgres.url(stack.layout.port("postgres-primary"), "monitor", stack.keys.monitor)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT count(*) FROM procrastinate_jobs")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT count(*) FROM accounts")


def test_nothing_listens_beyond_this_machine(stack: LiveStack) -> None:
    pid = stack.supervisor_pid()
    assert pid is not None
    listening: set[str] = set()
    for process in survivors.family(pid):
        # A short-lived child may be gone before it is asked.
        with suppress(psutil.NoSuchProcess):
            connections = process.net_connections()
            listening |= {each.laddr.ip for each in connections if each.status == "LISTEN"}
    assert listening == {"127.0.0.1"}


def test_a_taken_port_is_named_with_what_wanted_it(tmp_path: Path) -> None:
    other = LiveStack(Layout(tmp_path, free_offset()), print)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", other.layout.port("redis")))
        taken.listen()
        with pytest.raises(StackError, match=f"Port {other.layout.port('redis')}, which redis"):
            other.up()


def test_after_the_supervisor_was_killed_a_start_finds_and_replaces_all(stack: LiveStack) -> None:
    # Late in this file: everything starts anew.
    pid = stack.supervisor_pid()
    assert pid is not None
    left = survivors.family(pid)[1:]
    os.kill(pid, signal.SIGKILL)
    stack.up()
    assert stack.problems() == []
    assert survivors.alive(left) == []


def test_down_leaves_no_process_and_the_next_start_finds_its_data(stack: LiveStack) -> None:
    url = stack.database_url()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept (word text)")
    pid = stack.supervisor_pid()
    assert pid is not None
    ours = survivors.family(pid)
    stack.down()
    left = survivors.alive(ours)
    stack.up()
    assert left == []
    with psycopg.connect(url) as connection:
        connection.execute("DROP TABLE kept")
