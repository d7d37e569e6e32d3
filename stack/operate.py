"""Bringing the stack up stage by stage, taking it down, and telling how it is."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from itertools import groupby

import psutil

from stack import postgres
from stack.checks import (
    CannotStart,
    check_disk,
    check_packages,
    check_ports,
    is_ready,
    targets_down,
    wait_until,
)
from stack.layout import ROOT, Layout
from stack.programs import BIN, Program, log_file, programs
from stack.render import render_all, service_environment
from stack.secrets import Secrets
from stack.supervisor import Supervisor, tail
from stack.tls import ensure_certificate

READY_SECONDS = 60
TARGETS_SECONDS = 60
Say = Callable[[str], None]


class Stack:
    """One native stack; see the module's description. ``say`` takes lines of progress."""

    def __init__(self, layout: Layout, say: Say) -> None:
        self.layout = layout
        self._say = say
        layout.make_folders()
        self.keys = Secrets.load(layout.state)
        self.programs = programs(layout, self.keys)
        self.supervisor = Supervisor(layout, self.keys.supervisor)

    def up(self) -> None:
        """Start what is not running, in order; ready when every Prometheus target is up.

        Raises:
            CannotStart: with one sentence, and the failing program's last lines.
        """
        check_packages()
        check_disk(self.layout)
        if self.supervisor.pid() is None:
            check_ports(self.layout)
        ensure_certificate(self.layout.state / "tls")
        render_all(self.layout)
        self.supervisor.write_config(self.programs)
        self._make_primary()
        self.supervisor.start_daemon()
        for stage, members in groupby(self.programs, key=lambda program: program.stage):
            self._before_stage(stage)
            self._start(list(members))
        self._await_targets()

    def _before_stage(self, stage: int) -> None:
        if stage == 1:
            self._make_replica()
        if stage == 2:
            self._manage("migrate")
            self._manage("seed", "--products", "1000")

    def _make_primary(self) -> None:
        data = self.layout.state / "postgres-primary"
        if postgres.is_made(data):
            return
        self._say("making the PostgreSQL primary …")
        elsewhere = self.layout.elsewhere / "primary"
        data = postgres.reachable_folder(data, elsewhere)
        data.chmod(0o700)
        passwords = postgres.Passwords(self.keys.owner, self.keys.replicator, self.keys.monitor)
        try:
            postgres.make_primary(data, self.layout.port("postgres-primary"), passwords)
        except RuntimeError as error:
            _empty(data)  # a half-made server must not be taken for a whole one next time
            raise CannotStart(str(error)) from None

    def _make_replica(self) -> None:
        data = self.layout.state / "postgres-replica"
        if postgres.is_made(data):
            return
        self._say("copying the primary to the replica …")
        data = postgres.reachable_folder(data, self.layout.elsewhere / "replica")
        data.chmod(0o700)
        own, primary = self.layout.port("postgres-replica"), self.layout.port("postgres-primary")
        try:
            postgres.make_replica(data, own, primary, self.keys.replicator)
        except RuntimeError as error:
            _empty(data)
            raise CannotStart(str(error)) from None

    def _manage(self, *arguments: str) -> None:
        environment = service_environment(self.layout, self.keys, "manage")
        done = subprocess.run(
            [str(BIN / "python"), "-m", "service.manage", *arguments],
            cwd=ROOT,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise CannotStart(f"service.manage {arguments[0]} failed: {done.stderr.strip()[-500:]}")
        self._say(done.stdout.strip().splitlines()[-1])

    def _start(self, members: list[Program]) -> None:
        for program in members:
            self.supervisor.start(program.name)
        for program in members:
            started = time.monotonic()
            if not wait_until(lambda program=program: self._is_well(program), READY_SECONDS):  # type: ignore[misc]
                lines = tail(log_file(self.layout, program))
                raise CannotStart(f"{program.name} did not become ready; its last lines:\n{lines}")
            number = self.programs.index(program) + 1
            seconds = time.monotonic() - started
            self._say(f"[{number:2}/{len(self.programs)}] {program.name} ready (+{seconds:.1f} s)")

    def _is_well(self, program: Program) -> bool:
        state = self.supervisor.states()[program.name]["statename"]
        return state == "RUNNING" and is_ready(program.ready)

    def _await_targets(self) -> None:
        if not wait_until(lambda: not targets_down(self.layout), TARGETS_SECONDS):
            down = ", ".join(targets_down(self.layout))
            raise CannotStart(f"These Prometheus targets did not come up: {down}.")
        self._say("every Prometheus target is up")

    def down(self) -> None:
        """Stop every program in reverse order, then the supervisor. Harmless when nothing runs."""
        if self.supervisor.pid() is None:
            self._stop_orphans()
            return
        for program in reversed(self.programs):
            self.supervisor.stop(program.name)
            self._say(f"stopped {program.name}")
        self.supervisor.stop_daemon()

    def _stop_orphans(self) -> None:
        # A supervisor that was killed leaves its programs: they know our state folder.
        orphans = [process for process in psutil.process_iter() if self._is_ours(process)]
        for process in orphans:
            self._say(f"stopping {process.name()} (pid {process.pid}), whose supervisor is gone")
            process.terminate()
        _, alive = psutil.wait_procs(orphans, timeout=40)
        for process in alive:
            process.kill()
        if not orphans:
            self._say("nothing runs")

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            words = " ".join([*process.cmdline(), *process.environ().values()])
        except psutil.Error:
            return False
        mine = str(self.layout.etc), str(self.layout.state / "postgres"), str(self.layout.logs)
        here = os.getpid(), os.getppid()
        return process.pid not in here and any(path + "/" in words + "/" for path in mine)

    def problems(self) -> list[str]:
        """What is not well now, one sentence each."""
        if self.supervisor.pid() is None:
            return ["The stack does not run; start it with: make stack"]
        found = [f"{p.name} is not ready." for p in self.programs if not self._is_well(p)]
        return found + [f"Prometheus target {name} is down." for name in targets_down(self.layout)]

    def memory_bytes(self) -> int:
        """Memory of the supervisor and all below it, shared pages split among their users (PSS)."""
        pid = self.supervisor.pid()
        if pid is None:
            return 0
        root = psutil.Process(pid)
        total = 0
        for process in [root, *root.children(recursive=True)]:
            try:
                total += process.memory_full_info().pss
            except psutil.Error:
                continue
        return total


def _empty(folder: os.PathLike[str]) -> None:
    for entry in os.scandir(folder):
        shutil.rmtree(entry) if entry.is_dir() else os.unlink(entry)
