"""Bringing the stack up stage by stage, and taking it down."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import groupby

from stack import checks, postgres, survivors
from stack.databases import Databases
from stack.errors import StackError
from stack.layout import BIN, PORTS, ROOT, Layout
from stack.observers import exporters, observers
from stack.processes import run, tail, wait_until
from stack.programs import SERVICE, STORES, Program, edge, service, service_environment, stores
from stack.readiness import prometheus_targets, target_problems
from stack.render import render_all
from stack.secrets import Secrets
from stack.supervisor import Supervisor, digest
from stack.tls import ensure_certificate

READY_SECONDS = 60
TARGETS_SECONDS = 60
NOT_RUNNING = "The stack does not run; `make stack` starts it."
Say = Callable[[str], None]


class Stack:
    """One native stack. ``say`` takes lines of progress.

    Methods raise StackError with one sentence, and a failing program's last lines.
    """

    def __init__(self, layout: Layout, say: Say) -> None:
        self.layout = layout
        self.say = say
        layout.make_folders()
        self.keys = Secrets.load(layout.state)
        self.supervisor = Supervisor(layout, self.keys.supervisor)
        self._databases = Databases(layout, self.keys, self.supervisor, say)
        self._pidfile = layout.state / "supervisord.pid"

    @property
    def programs(self) -> list[Program]:
        """All of them, in the order of starting."""
        parts = stores(self.layout, self.keys), service(self.layout, self.keys)
        watch = observers(self.layout), exporters(self.layout, self.keys)
        return [*parts[0], *parts[1], edge(self.layout), *watch[0], *watch[1]]

    def supervisor_pid(self) -> int | None:
        """The running supervisor's pid, or None."""
        return survivors.supervisor_pid(self._pidfile, self.supervisor.config)

    def memory_bytes(self) -> int:
        """Memory (PSS) of the supervisor and all below it."""
        pid = self.supervisor_pid()
        return survivors.memory_bytes(survivors.family(pid)) if pid else 0

    def is_well(self, program: Program) -> bool:
        """Whether it runs and is ready."""
        return self.supervisor.is_running(program.name) and program.ready()

    def problems(self) -> list[str]:
        """What is not well now, one sentence each; none when all is well."""
        if self.supervisor_pid() is None:
            return [NOT_RUNNING]
        parts = [f"{p.name} is not ready." for p in self.programs if not self.is_well(p)]
        return [*parts, *target_problems(prometheus_targets(self.layout))]

    def up(self) -> None:
        """Start what is not running, in order; ready when every Prometheus target is up."""
        with self._alone():
            checks.check_machine(self.layout)
            self._forget_a_dead_supervisor()
            checks.check_ports(self.layout, self._wanted_ports())
            ensure_certificate(self.layout.state / "tls")
            render_all(self.layout)
            self._databases.prepare()
            programs = self.programs
            self.supervisor.write_config(programs)
            self.supervisor.start_daemon()
            self._start_all(programs)
            self._reload_changed(programs)
            self._await_targets()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self.layout.state / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise StackError("Another start or stop of this stack is at work.") from None
            yield

    def _forget_a_dead_supervisor(self) -> None:
        with suppress(StackError):
            # One that was killed a moment ago is there for a little longer.
            wait_until(self._supervisor_is_clear, 3, "The supervisor")
        if self.supervisor_pid() is None:
            self._end_survivors()
        elif not self.supervisor.answers():
            port = self.layout.port("supervisor")
            raise StackError(
                f"This stack runs, but not at port {port}: stop it with the offset it was started"
                " with."
            )

    def _supervisor_is_clear(self) -> bool:
        return self.supervisor_pid() is None or self.supervisor.answers()

    def _wanted_ports(self) -> list[str]:
        running = {name for name, info in self.supervisor.states().items() if info["pid"]}
        running |= {"supervisor"} if self.supervisor_pid() else set()
        return [name for name in PORTS if _user_of(name) not in running]

    def _start_all(self, programs: list[Program]) -> None:
        done = 0
        for stage, members in groupby(programs, key=lambda program: program.stage):
            self._before_stage(stage)
            for program in self._start(list(members)):
                done += 1
                self.say(f"[{done:2}/{len(programs)}] {program}")

    def _before_stage(self, stage: int) -> None:
        if stage == STORES:
            self._databases.prepare_replica()
        if stage == SERVICE:
            self._manage("migrate")
            self._manage("seed", "--products", "1000")
            self._databases.let_the_monitor_count_jobs()

    def _start(self, members: list[Program]) -> Iterator[str]:
        started = time.monotonic()
        for program in members:
            self.supervisor.start(program.name)
        for program in members:
            try:
                wait_until(lambda: self.is_well(program), READY_SECONDS, program.name)  # noqa: B023
            except StackError as error:
                raise StackError(f"{error}\n{self._last_words(program.name)}") from None
            yield f"{program.name:26} ready after {time.monotonic() - started:4.1f} s"

    def _last_words(self, name: str) -> str:
        logs = [self.layout.logs / f"{name}.{end}" for end in ("out.log", "err.log", "jsonl")]
        return "\n".join(tail(log) for log in logs if log.exists() and log.stat().st_size)

    def _manage(self, *arguments: str) -> None:
        environment = {**os.environ, **service_environment(self.layout, self.keys, "manage")}
        command = [str(BIN / "python"), "-m", "service.manage", *arguments]
        told = run(command, f"service.manage {arguments[0]}", env=environment, cwd=ROOT)
        self.say("".join(told.strip().splitlines()[-1:]))

    def _reload_changed(self, programs: list[Program]) -> None:
        path = self.layout.state / "applied.json"
        before = json.loads(path.read_text()) if path.exists() else {}
        now = {program.name: digest(program.configs) for program in programs}
        for program in programs:
            changed = before.get(program.name, now[program.name]) != now[program.name]
            if changed and program.reload_signal:
                self.supervisor.signal(program.name, program.reload_signal)
                self.say(f"{program.name} takes its changed configuration")
        path.write_text(json.dumps(now))

    def _await_targets(self) -> None:
        try:
            wait_until(self._all_up, TARGETS_SECONDS, "A Prometheus target", every=0.5)
        except StackError:
            down = [each for each in prometheus_targets(self.layout) if each.problem]
            named = ", ".join(f"{each.job} {each.instance} ({each.problem})" for each in down)
            raise StackError(f"These Prometheus targets are not up: {named or 'all'}.") from None
        self.say(f"all {len(prometheus_targets(self.layout))} Prometheus targets are up")

    def _all_up(self) -> bool:
        targets = prometheus_targets(self.layout)
        return bool(targets) and not any(target.problem for target in targets)

    def down(self) -> None:
        """Stop every program in reverse order, then the supervisor. Harmless when nothing runs."""
        with self._alone():
            if self.supervisor_pid() is None:
                found = self._end_survivors()
                self.say("" if found else "nothing runs")
                return
            self._stop_all()
            self._end_survivors()

    def _stop_all(self) -> None:
        stages = groupby(reversed(self.programs), key=lambda program: program.stage)
        for _, members in stages:
            self._stop_together([program for program in members])
        pid = self.supervisor_pid()
        leader = survivors.family(pid)[:1] if pid else []
        self.supervisor.stop_daemon()
        # It removes its pid file a moment before it ends.
        wait_until(lambda: not survivors.alive(leader), READY_SECONDS, "Stopping supervisord")

    def _stop_together(self, members: list[Program]) -> None:
        states = self.supervisor.states()
        known = [program for program in members if program.name in states]
        for program in known:
            self.supervisor.stop(program.name)
        longest = max((program.stop_seconds for program in known), default=0) + 10
        for program in known:
            self.supervisor.await_stop(program.name, longest)
            self.say(f"stopped {program.name}")

    def remove(self) -> None:
        """Remove the state folder and all data, for good; the stack must not run."""
        for data in (self.layout.primary, self.layout.replica):
            postgres.remove(data)
        shutil.rmtree(self.layout.state, ignore_errors=True)

    def _end_survivors(self) -> bool:
        left = survivors.session(self._pidfile)
        if left:
            names = ", ".join(sorted({process.name() for process in left}))
            self.say(f"ending what a supervisor that is gone had left behind: {names}")
            survivors.end(left, seconds=40)
        self._pidfile.unlink(missing_ok=True)
        return bool(left)


def _user_of(port_name: str) -> str:
    """The program that listens on the port of that name."""
    if port_name in ("edge-https", "edge-http", "nginx-status"):
        return "nginx"
    return port_name.removesuffix("-metrics")
