"""Foreground processes and waiting for them: what the stack and its tests both need."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from stack.errors import StackError


def wait_until(ready: Callable[[], bool], seconds: float, what: str, every: float = 0.1) -> float:
    """Poll `ready` until it is true; return the seconds waited.

    Raises:
        StackError: naming `what`, when it is not ready after `seconds`.
    """
    start = time.monotonic()
    while not ready():
        if time.monotonic() - start > seconds:
            raise StackError(f"{what} was not ready after {seconds:g} s.")
        time.sleep(every)
    return time.monotonic() - start


def run(
    command: Sequence[str],
    what: str,
    *,
    text: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
) -> str:
    """Run to the end, `text` on its standard input, and return what it printed.

    Raises:
        StackError: naming `what`, with the last line that it printed, when it fails.
    """
    done = subprocess.run(
        list(command),
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        input=text,
        env=env,
        cwd=cwd,
    )
    if done.returncode != 0:
        last = (done.stdout.strip().splitlines() or ["it printed nothing"])[-1]
        raise StackError(f"{what} failed: {last}")
    return done.stdout


def answers(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something accepts TCP connections there."""
    with (
        contextlib.suppress(OSError),
        socket.create_connection((host, port), timeout=1),
    ):
        return True
    return False


def free_ports(count: int) -> list[int]:
    """Distinct ports of 127.0.0.1 that nobody listens on just now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


class Process:
    """A program in the foreground, in a process group of its own, its output in `log`.

    `start` and `stop` may be called again and again, so that a test can take the part away and
    bring it back.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        ready: Callable[[], bool],
        *,
        env: Mapping[str, str] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        ready_seconds: float = 30,
    ) -> None:
        self.name, self.command, self.log, self.ready = name, list(command), log, ready
        self.env, self.stop_signal, self.ready_seconds = env, stop_signal, ready_seconds
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the running program; 0 when it is stopped."""
        running = self._process is not None and self._process.poll() is None
        return self._process.pid if self._process is not None and running else 0

    def start(self) -> None:
        """Start it and wait until it is ready.

        Raises:
            StackError: with the end of its log, when it ends or is not ready in time.
        """
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env=None if self.env is None else {**os.environ, **self.env},
            )
        try:
            wait_until(self._ready_or_dead, self.ready_seconds, self.name, every=0.05)
        except StackError:
            self.kill()
            raise

    def _ready_or_dead(self) -> bool:
        if not self.pid:
            raise StackError(f"{self.name} ended as soon as it was started:\n{tail(self.log)}")
        return self.ready()

    def stop(self, seconds: float = 20) -> None:
        """Ask it to stop and wait; kill its whole group when it does not."""
        if self.pid and self._process is not None:
            self._process.send_signal(self.stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        self.kill()

    def kill(self) -> None:
        """SIGKILL for the whole group, as a crash of the machine would."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)


@contextlib.contextmanager
def running(*processes: Process) -> Iterator[None]:
    """Start them in order; stop them in reverse order, whatever happens."""
    with contextlib.ExitStack() as started:
        for process in processes:
            started.callback(process.stop)
            process.start()
        yield


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log; says so when there are none."""
    try:
        text = log.read_text(errors="replace").splitlines()
    except OSError as error:
        return f"({log}: {error.strerror})"
    return "\n".join(text[-lines:]) or f"({log} is empty)"
