"""What this machine's processors did in the timed window: how busy, and for which program."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

import gevent
import psutil

from stack.layout import Layout
from stack.secrets import Secrets
from stack.supervisor import Supervisor

GENERATOR, OTHERS = "load generator", "not of the stack"


@dataclass(frozen=True)
class MachineFigures:
    """``cores`` are those of the machine; ``programs`` tells the cores each kept busy on average,
    ``busy_share`` the busy share of all cores in each second."""

    cores: int
    programs: dict[str, float] = field(default_factory=dict)
    busy_share: tuple[float, ...] = ()


class Watch:
    """Watches from ``with`` on; ``figures`` tells what was seen when the block is left.

    supervisord tells which processes are the stack's; where it does not run, there are none.
    """

    def __init__(self, layout: Layout) -> None:
        keys = Secrets.load(layout.state) if (layout.state / "secrets.json").exists() else None
        self._supervisor = Supervisor(layout, keys.supervisor) if keys else None
        self._busy: list[float] = []
        self.figures = MachineFigures(psutil.cpu_count() or 1)

    def __enter__(self) -> Self:
        psutil.cpu_percent()
        self._before, self._all_before = self._seconds(), _busy_seconds()
        self._began = time.monotonic()
        self._sampler = gevent.spawn(self._sample)
        return self

    def __exit__(self, *_: object) -> None:
        self._sampler.kill()
        elapsed = time.monotonic() - self._began
        programs = self._programs(elapsed, _busy_seconds() - self._all_before)
        self.figures = MachineFigures(self.figures.cores, programs, tuple(self._busy))

    def _sample(self) -> None:
        while True:
            gevent.sleep(1)
            self._busy.append(psutil.cpu_percent() / 100)

    def _programs(self, elapsed: float, all_seconds: float) -> dict[str, float]:
        spent: dict[str, float] = defaultdict(float)
        for pid, (name, seconds) in self._seconds().items():
            spent[name] += seconds - self._before.get(pid, (name, 0.0))[1]
        spent[OTHERS] = max(0.0, all_seconds - sum(spent.values()))
        shares = {name: seconds / elapsed for name, seconds in spent.items()}
        return dict(sorted(shares.items(), key=lambda item: -item[1]))

    def _seconds(self) -> dict[int, tuple[str, float]]:
        found: dict[int, tuple[str, float]] = {}
        own = psutil.Process()
        for process in [own, *own.children(recursive=True)]:
            found.update(_cpu(process, GENERATOR))
        for process, name in self._supervised():
            found.update(_cpu(process, name))
        return found

    def _supervised(self) -> Iterator[tuple[psutil.Process, str]]:
        states = self._supervisor.states() if self._supervisor else {}
        for name, state in states.items():
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(state["pid"])
                yield process, name
                yield from ((child, name) for child in process.children(recursive=True))


def _cpu(process: psutil.Process, name: str) -> dict[int, tuple[str, float]]:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return {}
    return {process.pid: (name, times.user + times.system)}


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait)
