"""One generator process: a Locust worker that lets arrivals in on time and tells what it saw."""

from __future__ import annotations

import contextlib
import gc
import os
import random
import resource
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gevent
from locust.env import Environment
from locust.runners import WorkerRunner

from loadtest.addresses import addresses
from loadtest.counter import Arrival, Counter
from loadtest.customers import trust
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
    pack,
)
from loadtest.profiles import MIX, Kind
from loadtest.punctuality import Timing, punctuality
from loadtest.schedule import Weighted, arrival_times

UNANSWERED = "unanswered"
LEAD_SECONDS = 0.2
PRIORITY = -10
AUTOGROUP = Path("/proc/self/autogroup")


class Generator:
    """Serves the master at ``host``:``port`` until it says to quit."""

    def __init__(self, host: str, port: int) -> None:
        self._environment = Environment(user_classes=[Shopper])
        self._runner: WorkerRunner = self._environment.create_worker_runner(host, port)
        self._runner.register_message(PREPARE, self._prepare)
        self._runner.register_message(LET_IN, self._let_in, concurrent=True)
        self._runner.send_message(HELLO)

    def serve(self) -> None:
        """Returns when the master has said to quit."""
        self._runner.greenlet.join()

    def _prepare(self, msg: Any, **_: Any) -> None:
        self._plan = plan = Plan.from_data(msg.data)
        visitors = addresses(plan.seed, plan.index, plan.count)
        rng = random.Random(f"{plan.seed}/{plan.index}")
        self._counter = Counter(plan.shop, visitors, trust(Path(plan.ca)), rng)
        self._environment.counter = self._counter  # type: ignore[attr-defined]
        self._runner.send_message(READY)

    def _let_in(self, msg: Any, **_: Any) -> None:
        wave = Wave(**msg.data)
        self._wait_until_idle()
        # What is here now stays; the collector need not walk it during the window.
        gc.collect()
        gc.freeze()
        reporter = gevent.spawn(self._report_each_second)
        busy, begun = _cpu_seconds(), time.perf_counter()
        timing = self._play(wave)
        share = (_cpu_seconds() - busy) / (time.perf_counter() - begun)
        self._wait_until_idle()
        reporter.kill()
        self._give_up_on_the_rest()
        self._report()
        self._runner.send_message(DONE, asdict(punctuality(timing, share)))

    def _play(self, wave: Wave) -> Timing:
        counter, timing = self._counter, Timing()
        offsets = arrival_times(wave.arrivals, wave.rate, wave.seconds, counter.rng)
        kinds: Weighted[Kind] = Weighted(list(MIX), list(MIX.values()))
        counter.started = time.perf_counter() + LEAD_SECONDS
        for offset in offsets:
            arrival = Arrival(kinds.draw(counter.rng), counter.started + offset, wave.timed)
            _sleep_until(arrival.due)
            if wave.timed:
                counter.waiting[id(arrival)] = arrival
            # Users that this loop woke and that have not run yet still count as idle.
            timing.no_free_user += counter.idle <= counter.arrivals.qsize()
            counter.arrivals.put(arrival)
            timing.late.append(time.perf_counter() - arrival.due)
        _sleep_until(counter.started + wave.seconds)
        return timing

    def _wait_until_idle(self) -> None:
        counter = self._counter
        with gevent.Timeout(REQUEST_TIMEOUT_SECONDS + 1, False):
            while counter.idle < self._plan.connections or counter.arrivals.qsize():
                gevent.sleep(0.02)

    def _give_up_on_the_rest(self) -> None:
        now = time.perf_counter()
        for arrival in list(self._counter.waiting.values()):
            self._counter.keep(arrival, now, UNANSWERED)

    def _report_each_second(self) -> None:
        while True:
            gevent.sleep(1)
            self._report()

    def _report(self) -> None:
        samples, self._counter.samples = self._counter.samples, []
        self._runner.send_message(SEEN, {"samples": pack(samples)})


def go_first() -> None:
    """Take precedence over what is measured, where the system lets us: on shared cores, a
    generator that waits its turn measures its own waiting."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
        # Where Linux shares the processors out by session first, a session has a niceness too.
        AUTOGROUP.write_text(str(PRIORITY))


def _sleep_until(moment: float) -> None:
    delay = moment - time.perf_counter()
    if delay > 0:
        gevent.sleep(delay)


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
