"""Requests at a steady rate through the edge, sent when they are due, whatever became of others."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from tests.stack.customer import some_address, trusting
from tests.stack.live import LiveStack

PATHS = ("/api/products/{}", "/api/products?page={}", "/api/products/{}/stock")
LONGEST_SECONDS = 120


@dataclass
class Outcome:
    """What became of the requests: a status, or the name of what went wrong, and how long."""

    answers: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    @property
    def failed(self) -> dict[str, int]:
        """All answers but 200, with their counts."""
        return {answer: count for answer, count in self.answers.items() if answer != "200"}

    @property
    def p95_ms(self) -> float:
        """From the moment a request was due, in milliseconds."""
        return 1000 * statistics.quantiles(self.seconds, n=20)[18]

    def __str__(self) -> str:
        return f"{self.answers.total()} requests, p95 {self.p95_ms:.0f} ms, failed: {self.failed}"


@contextmanager
def reading(stack: LiveStack, rate: float) -> Iterator[Callable[[], Outcome]]:
    """Read the catalogue at ``rate`` requests/s; what is yielded ends it, and tells the outcome."""
    stop = asyncio.Event()
    with ThreadPoolExecutor(1) as pool:
        loop = asyncio.new_event_loop()
        running: Future[Outcome] = pool.submit(loop.run_until_complete, _read(stack, rate, stop))

        def end() -> Outcome:
            loop.call_soon_threadsafe(stop.set)
            return running.result(timeout=60)

        try:
            yield end
        finally:
            if not running.done():
                end()
            loop.close()


async def _read(stack: LiveStack, rate: float, stop: asyncio.Event) -> Outcome:
    outcome = Outcome()
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
    async with httpx.AsyncClient(
        base_url=stack.base_url, verify=trusting(stack), timeout=20, limits=limits
    ) as client:
        begun, sent = time.monotonic(), set()
        for number in itertools.count():
            due = begun + number / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if stop.is_set() or due - begun > LONGEST_SECONDS:
                break
            sent.add(asyncio.create_task(_ask(client, number, due, outcome)))
        await asyncio.gather(*sent)
    return outcome


async def _ask(client: httpx.AsyncClient, number: int, due: float, outcome: Outcome) -> None:
    path = PATHS[number % len(PATHS)].format(1 + number % 50)
    try:
        answer = str((await client.get(path, headers=some_address())).status_code)
    except httpx.HTTPError as error:
        answer = type(error).__name__
    outcome.answers[answer] += 1
    outcome.seconds.append(time.monotonic() - due)
