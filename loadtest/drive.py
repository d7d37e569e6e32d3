"""Drives one run: starts the users, lets arrivals in on time, and gathers what was measured."""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import gevent
from locust.env import Environment
from locust.runners import LocalRunner
from locust.stats import RequestStats

from loadtest.figures import ClientFigures, GeneratorFigures, Sample, summarise
from loadtest.locustfile import REQUEST_TIMEOUT_SECONDS, Arrival, Counter, Shopper
from loadtest.profiles import MIX, Kind, Profile
from loadtest.schedule import Weighted, arrival_times
from loadtest.targets import Targets

UNANSWERED = "unanswered"
LEAD_SECONDS = 0.2

Say = Callable[[str], None]


@dataclass
class Timing:
    """How late the generator let arrivals in (seconds), and how often no user was free."""

    late: list[float] = field(default_factory=list)
    no_free_user: int = 0


@dataclass(frozen=True)
class Measured:
    """One run's figures, and the samples behind them."""

    client: ClientFigures
    generator: GeneratorFigures
    samples: list[Sample]


class Run:
    """One run of ``profile`` against ``base_url``; call ``warm_up`` first, then ``measure``."""

    def __init__(
        self, base_url: str, profile: Profile, counter: Counter, targets: Targets, say: Say
    ) -> None:
        self._profile = profile
        self._counter = counter
        self._targets = targets
        self._say = say
        self._rng = counter.rng
        environment = Environment(user_classes=[Shopper], host=base_url)
        environment.counter = counter  # type: ignore[attr-defined]
        self._stats: RequestStats = environment.stats
        self._runner: LocalRunner = environment.create_local_runner()

    def __enter__(self) -> Self:
        self._runner.start(self._profile.users, spawn_rate=self._profile.users)
        while self._counter.idle < self._profile.users:
            gevent.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.quit()

    def warm_up(self) -> None:
        """The same load, unmeasured: opens connections and fills caches."""
        if self._profile.warm_up_seconds:
            self._let_in(self._profile.warm_up_seconds, timed=False)
            self._wait_until_idle()

    def measure(self) -> Measured:
        """The timed window."""
        self._stats.reset_all()
        gc.collect()
        gc.freeze()  # what is here now stays; the collector need not walk it during the window
        progress = gevent.spawn(self._show_progress)
        busy, begun = _cpu_seconds(), time.perf_counter()
        timing = self._let_in(self._profile.duration_seconds, timed=True)
        spent = (_cpu_seconds() - busy) / (time.perf_counter() - begun)
        self._wait_until_idle()
        progress.kill()
        self._give_up_on_the_rest()
        return self._measured(timing, spent)

    def _let_in(self, seconds: float, timed: bool) -> Timing:
        profile, counter, timing = self._profile, self._counter, Timing()
        offsets = arrival_times(profile.arrivals, profile.rate, seconds, self._rng)
        kinds: Weighted[Kind] = Weighted(list(MIX), list(MIX.values()))
        counter.started = time.perf_counter() + LEAD_SECONDS
        for offset in offsets:
            arrival = Arrival(kinds.draw(self._rng), counter.started + offset, timed)
            _sleep_until(arrival.due)
            if timed:
                counter.waiting[id(arrival)] = arrival
            # Users that this loop woke and that have not run yet still count as idle.
            timing.no_free_user += counter.idle <= counter.arrivals.qsize()
            counter.arrivals.put(arrival)
            timing.late.append(time.perf_counter() - arrival.due)
        _sleep_until(counter.started + seconds)
        return timing

    def _wait_until_idle(self) -> None:
        patience = gevent.Timeout(REQUEST_TIMEOUT_SECONDS + 1, False)
        with patience:
            while self._counter.idle < self._profile.users or self._counter.arrivals.qsize():
                gevent.sleep(0.02)

    def _give_up_on_the_rest(self) -> None:
        now = time.perf_counter()
        for arrival in list(self._counter.waiting.values()):
            self._counter.keep(arrival, now, UNANSWERED)

    def _show_progress(self) -> None:
        before = 0
        for second in range(1, 10**9):
            _sleep_until(self._counter.started + second)
            total = self._stats.total
            p95 = total.get_response_time_percentile(0.95) or 0
            answered, before = total.num_requests - before, total.num_requests
            self._say(
                f"{second:4d} s  {answered:5d} req/s  p95 so far {p95:5.0f} ms  "
                f"errors {total.num_failures}"
            )

    def _measured(self, timing: Timing, cpu_share: float) -> Measured:
        late = [delay > self._targets.generator_late_seconds for delay in timing.late]
        generator = GeneratorFigures(
            cpu_share=cpu_share,
            late_share=sum(late) / len(late) if late else 1.0,
            worst_late_seconds=max(timing.late, default=0.0),
            found_no_free_user=timing.no_free_user,
        )
        samples = self._counter.samples
        client = summarise(samples, self._profile.rate, self._profile.duration_seconds)
        return Measured(client, generator, samples)


def _sleep_until(moment: float) -> None:
    delay = moment - time.perf_counter()
    if delay > 0:
        gevent.sleep(delay)


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
