"""The master: starts the generator processes, sends them the waves, and gathers what they saw."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import gevent
from locust.env import Environment
from locust.runners import MasterRunner

from loadtest.customers import Shop
from loadtest.figures import GeneratorFigures, Sample, progress_line
from loadtest.generator import LEAD_SECONDS
from loadtest.locustfile import REQUEST_TIMEOUT_SECONDS, Shopper
from loadtest.messages import (
    DONE,
    HELLO,
    LET_IN,
    PREPARE,
    READY,
    SEEN,
    Plan,
    Wave,
    unpack,
)
from loadtest.profiles import Profile
from loadtest.punctuality import Punctuality, generator_figures
from stack.layout import HOST, ROOT

START_SECONDS = 30.0
SPAWNED_A_SECOND = 100
LAG_SECONDS = 0.2  # what a generator has told is here by then

Say = Callable[[str], None]


class GeneratorError(Exception):
    """A generator process ended, or does not answer; the message says which."""


class Generators:
    """``processes`` Locust workers on this machine, playing ``profile`` against ``base_url``."""

    def __init__(self, base_url: str, profile: Profile, processes: int, say: Say) -> None:
        self._profile = profile
        self._count = processes
        self._say = say
        self._environment = Environment(user_classes=[Shopper], host=base_url)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._heard: dict[str, list[Any]] = defaultdict(list)
        self.samples: list[Sample] = []

    def __enter__(self) -> Self:
        self._master: MasterRunner = self._environment.create_master_runner(HOST, 0)
        for kind in (HELLO, READY, DONE):
            self._master.register_message(kind, self._hear)
        self._master.register_message(SEEN, self._see)
        port = str(self._master.server.port)
        command = [sys.executable, "-m", "loadtest", "generate", "--port", port]
        for _ in range(self._count):
            # A session of its own, so that its precedence is not given to all that we run.
            process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
            self._processes.append(process)
        self._await(HELLO, START_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._master.quit()
        for process in self._processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()

    def prepare(self, shop: Shop, seed: int, ca: Path) -> None:
        """Give each generator its share of the connections, and open them.

        Raises:
            GeneratorError: when one does not come up.
        """
        each = max(1, self._profile.connections // self._count)
        for index, client in enumerate(sorted(self._master.clients)):
            plan = Plan(shop, each, seed, index, self._count, str(ca.resolve()))
            self._master.send_message(PREPARE, plan.as_data(), client)
        self._await(READY, START_SECONDS)
        self._master.start(each * self._count, SPAWNED_A_SECOND * self._count)

    def warm_up(self) -> None:
        """The same load, unmeasured: opens connections and fills caches."""
        if self._profile.warm_up_seconds:
            self._wave(self._profile.warm_up_seconds, timed=False)

    def measure(self) -> GeneratorFigures:
        """The timed window; afterwards ``samples`` holds what was seen.

        Raises:
            GeneratorError: when a generator ended in it.
        """
        progress = gevent.spawn(self._show_progress)
        try:
            return generator_figures(self._wave(self._profile.duration_seconds, timed=True))
        finally:
            progress.kill()

    def _wave(self, seconds: float, timed: bool) -> list[Punctuality]:
        self._heard[DONE].clear()
        wave = Wave(self._profile.rate / self._count, seconds, timed, self._profile.arrivals)
        self._master.send_message(LET_IN, vars(wave))
        # It waits for answers twice at most: before it begins, and at its end.
        return [
            Punctuality(**data)
            for data in self._await(DONE, seconds + 2 * REQUEST_TIMEOUT_SECONDS + 10)
        ]

    def _hear(self, msg: Any, **_: Any) -> None:
        self._heard[msg.type].append(msg.data)

    def _see(self, msg: Any, **_: Any) -> None:
        self.samples += unpack(msg.data["samples"])

    def _await(self, kind: str, seconds: float) -> list[Any]:
        give_up = time.monotonic() + seconds
        while len(self._heard[kind]) < self._count:
            codes = [process.poll() for process in self._processes]
            ended = [code for code in codes if code is not None]
            if ended:
                raise GeneratorError(f"A generator process ended with code {ended[0]}.")
            if time.monotonic() > give_up:
                raise GeneratorError(f"A generator process was silent for {seconds:g} s ({kind}).")
            gevent.sleep(0.02)
        return self._heard[kind]

    def _show_progress(self) -> None:
        seen, second, errors = 0, 0, 0
        gevent.sleep(LEAD_SECONDS + LAG_SECONDS)
        while True:
            gevent.sleep(1)
            second += 1
            fresh, seen = self.samples[seen:], len(self.samples)
            errors += sum(bool(sample.error) for sample in fresh)
            self._say(progress_line(second, fresh, errors))
