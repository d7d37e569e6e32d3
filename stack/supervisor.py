"""supervisord, from PyPI: its configuration from our programs, and its XML-RPC interface."""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import xmlrpc.client
from pathlib import Path
from string import Template
from typing import Any, cast

from stack.errors import StackError
from stack.layout import BIN, ROOT, Layout
from stack.processes import run, wait_until
from stack.programs import Program

TEMPLATES = Path(__file__).parent / "templates"
RUNNING = 20


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
        text = _fill(
            "supervisord.conf",
            root=ROOT,
            state=self._layout.state,
            address=self._layout.address("supervisor"),
            password=self._password,
            user="user=root" if os.geteuid() == 0 else "",
        )
        text += "".join(_program(self._layout, program) for program in programs)
        self.config.touch(mode=0o600)
        self.config.write_text(text)

    def answers(self) -> bool:
        """Whether it can be talked to."""
        try:
            self._rpc.getState()
        except (OSError, xmlrpc.client.Error):
            return False
        return True

    def start_daemon(self) -> None:
        """Start it; or have the running one take the new configuration.

        Raises:
            StackError: when it does not start.
        """
        if self.answers():
            self._update()
            return
        command = [str(BIN / "supervisord"), "-c", str(self.config)]
        run(command, "supervisord", cwd=ROOT)
        wait_until(self.answers, 15, "supervisord")

    def _update(self) -> None:
        # Programs whose definition has changed are stopped here and started again in their stage.
        added, changed, removed = self._rpc.reloadConfig()[0]
        for name in [*changed, *removed]:
            self._rpc.stopProcessGroup(name)
            self._rpc.removeProcessGroup(name)
        for name in [*added, *changed]:
            self._rpc.addProcessGroup(name)

    def states(self) -> dict[str, dict[str, Any]]:
        """Each program's state by name, as supervisord tells it; none when it does not run."""
        try:
            found = cast("list[dict[str, Any]]", self._rpc.getAllProcessInfo())
        except (OSError, xmlrpc.client.Error):
            return {}
        return {info["name"]: info for info in found}

    def is_running(self, name: str) -> bool:
        """Whether the program runs, and has for its first second."""
        return bool(self.states().get(name, {}).get("state") == RUNNING)

    def start(self, name: str) -> None:
        """Start it, unless it runs; does not wait."""
        self._call("startProcess", name, unless="ALREADY_STARTED")

    def stop(self, name: str) -> None:
        """Tell it to stop, unless it has; does not wait."""
        self._call("stopProcess", name, unless="NOT_RUNNING")

    def await_stop(self, name: str, seconds: float) -> None:
        """Wait until it has stopped.

        Raises:
            StackError: when it has not after so many seconds.
        """
        wait_until(lambda: not self.states()[name]["pid"], seconds, f"Stopping {name}")

    def signal(self, name: str, signal: str) -> None:
        """Send it a signal, unless it does not run."""
        try:
            self._rpc.signalProcess(name, signal)
        except xmlrpc.client.Fault as fault:
            if "NOT_RUNNING" not in fault.faultString:
                raise StackError(f"{name}: {fault.faultString}.") from None

    def _call(self, method: str, name: str, *, unless: str) -> None:
        try:
            getattr(self._rpc, method)(name, False)
        except xmlrpc.client.Fault as fault:
            if unless not in fault.faultString:
                raise StackError(f"{name}: {fault.faultString}.") from None

    def stop_daemon(self) -> None:
        """Tell supervisord itself to stop; does not wait."""
        self._rpc.shutdown()

    def control(self, words: list[str]) -> int:
        """supervisorctl with these words; its exit code."""
        command = [str(BIN / "supervisorctl"), "-c", str(self.config), *words]
        return subprocess.run(command, check=False).returncode


def digest(configs: tuple[Path, ...]) -> str:
    """Tells whether any of these files has changed; a missing one counts as empty."""
    found = hashlib.sha256()
    for path in configs:
        found.update(path.read_bytes() if path.exists() else b"")
    return found.hexdigest()


def _fill(template: str, **values: object) -> str:
    return Template((TEMPLATES / template).read_text()).substitute(values)


def _program(layout: Layout, program: Program) -> str:
    variables = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **program.environment}
    if program.configs and not program.reload_signal:
        # What cannot reload is restarted, because this line makes it another program.
        variables["FIREWATCH_CONFIG_DIGEST"] = digest(program.configs)
    return _fill(
        "program.conf",
        name=program.name,
        command=_escaped(shlex.join(program.command)),
        directory=program.directory,
        environment=",".join(f"{name}={_quoted(value)}" for name, value in variables.items()),
        stop_signal=program.stop_signal,
        stop_seconds=program.stop_seconds,
        stop_group="true" if program.stop_group else "false",
        logs=layout.logs,
    )


def _quoted(value: str) -> str:
    quote = "'" if '"' in value else '"'
    return quote + _escaped(value) + quote


def _escaped(text: str) -> str:
    return text.replace("%", "%%")  # supervisord expands %(name)s
