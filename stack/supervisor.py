"""supervisord, from PyPI: its configuration from our programs, and its XML-RPC interface."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import xmlrpc.client
from pathlib import Path
from typing import Any, cast

import psutil

from stack.layout import ROOT, Layout
from stack.programs import BIN, Program, log_file

HEADER = """[supervisord]
directory={root}
logfile={state}/logs/supervisord.log
logfile_maxbytes=10MB
pidfile={state}/supervisord.pid
childlogdir={state}/logs
umask=022
{user}

[inet_http_server]
port={address}
username=stack
password={password}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
PROGRAM = """
[program:{name}]
command={command}
environment={environment}
autostart=false
autorestart=true
startsecs=1
startretries=20
stopsignal={stop_signal}
stopwaitsecs={stop_seconds}
stopasgroup=false
killasgroup=true
redirect_stderr=true
stdout_logfile={log}
stdout_logfile_maxbytes=20MB
stdout_logfile_backups=1
{user}
"""


class Supervisor:
    """The supervisor of one stack."""

    def __init__(self, layout: Layout, password: str) -> None:
        self._layout = layout
        self._password = password
        address = layout.address("supervisor")
        server = xmlrpc.client.ServerProxy(f"http://stack:{password}@{address}/RPC2")
        self._rpc: Any = server.supervisor
        self.config = layout.etc / "supervisord.conf"

    def write_config(self, programs: list[Program]) -> None:
        """Write the configuration; it holds secrets, so only its owner may read it."""
        root_user = "user=root" if os.geteuid() == 0 else ""
        text = HEADER.format(
            root=ROOT,
            state=self._layout.state,
            address=self._layout.address("supervisor"),
            password=self._password,
            user=root_user,
        )
        text += "".join(_program(self._layout, program) for program in programs)
        self.config.touch(mode=0o600)
        self.config.write_text(text)

    def pid(self) -> int | None:
        """The running supervisor's pid, or None."""
        path = self._layout.state / "supervisord.pid"
        if not path.exists():
            return None
        pid = int(path.read_text() or 0)
        try:
            process = psutil.Process(pid)
            return pid if str(self.config) in " ".join(process.cmdline()) else None
        except psutil.Error:
            return None

    def start_daemon(self) -> None:
        """Start it, or have the running one take the new configuration."""
        if self.pid() is not None:
            self._update()
            return
        subprocess.run([str(BIN / "supervisord"), "-c", str(self.config)], check=True, cwd=ROOT)
        deadline = time.monotonic() + 10
        while True:
            try:
                self._rpc.getState()
                return
            except (OSError, xmlrpc.client.Error):
                if time.monotonic() > deadline:
                    raise RuntimeError("supervisord does not answer; see its log") from None
                time.sleep(0.1)

    def _update(self) -> None:
        added, changed, removed = self._rpc.reloadConfig()[0]
        for name in [*changed, *removed]:
            self._rpc.stopProcessGroup(name)
            self._rpc.removeProcessGroup(name)
        for name in [*added, *changed]:
            self._rpc.addProcessGroup(name)

    def states(self) -> dict[str, dict[str, Any]]:
        """Each program's state by name, as supervisord tells it."""
        found = cast("list[dict[str, Any]]", self._rpc.getAllProcessInfo())
        return {info["name"]: info for info in found}

    def start(self, name: str) -> None:
        try:
            self._rpc.startProcess(name, False)
        except xmlrpc.client.Fault as fault:
            if "ALREADY_STARTED" not in fault.faultString:
                raise

    def stop(self, name: str) -> None:
        try:
            self._rpc.stopProcess(name, True)
        except xmlrpc.client.Fault as fault:
            if "NOT_RUNNING" not in fault.faultString:
                raise

    def stop_daemon(self) -> None:
        """Stop supervisord itself; its programs are stopped before."""
        pid = self.pid()
        if pid is None:
            return
        os.kill(pid, signal.SIGTERM)
        psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=60)


def _program(layout: Layout, program: Program) -> str:
    variables = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **program.environment}
    environment = ",".join(f'{name}="{_escaped(value)}"' for name, value in variables.items())
    return PROGRAM.format(
        name=program.name,
        command=_escaped(" ".join(_quoted(part) for part in program.command)),
        environment=environment,
        stop_signal=program.stop_signal,
        stop_seconds=program.stop_seconds,
        log=log_file(layout, program),
        user=f"user={program.user}" if program.user else "",
    )


def _quoted(part: str) -> str:
    return f"'{part}'" if not part or set(part) & set(" ;&|$") else part


def _escaped(text: str) -> str:
    return text.replace("%", "%%")  # supervisord expands %(name)s


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log, for an error message."""
    if not path.exists():
        return "(no log)"
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
