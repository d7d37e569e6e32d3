"""Finding what a supervisor left behind, even one that was killed.

supervisord makes itself the leader of a session, and all that it starts stays in that session. So
its pid, which its pid file keeps, names them all.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import psutil

CLOCK_SLACK_SECONDS = 5


def supervisor_pid(pidfile: Path, config: Path) -> int | None:
    """The running supervisor's pid, or None."""
    pid = _recorded(pidfile)
    if pid is None:
        return None
    with contextlib.suppress(psutil.Error):
        if str(config) in psutil.Process(pid).cmdline():
            return pid
    return None


def session(pidfile: Path) -> list[psutil.Process]:
    """All processes of the supervisor that wrote the file, without the supervisor itself."""
    leader = _recorded(pidfile)
    if leader is None:
        return []
    since = pidfile.stat().st_mtime - CLOCK_SLACK_SECONDS
    return [each for each in psutil.process_iter() if _belongs(each, leader, since)]


def family(pid: int) -> list[psutil.Process]:
    """The process and all below it that can be looked at."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def end(processes: list[psutil.Process], seconds: float) -> None:
    """Ask them to end; after so many seconds kill those that have not."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=5)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run; one that only waits for its parent to notice its end does not."""
    return [each for each in processes if _runs(each)]


def _runs(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def memory_bytes(processes: list[psutil.Process]) -> int:
    """Their memory, shared pages split among their users (PSS)."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            total += process.memory_full_info().pss
    return total


def _recorded(pidfile: Path) -> int | None:
    try:
        return int(pidfile.read_text())
    except (OSError, ValueError):
        return None


def _belongs(process: psutil.Process, leader: int, since: float) -> bool:
    # A pid is used again after a restart of the machine: what is older than the file is not ours.
    with contextlib.suppress(psutil.Error, ProcessLookupError):
        return (
            process.pid != leader
            and _runs(process)
            and os.getsid(process.pid) == leader
            and process.create_time() >= since
        )
    return False
