"""Circuit breakers: a store that is away is asked again every second or so, not by every customer.

The library's own decorator registers each breaker in a process-wide table; ours live and die with
the object that they guard.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from circuitbreaker import STATE_HALF_OPEN, CircuitBreaker

log = logging.getLogger("firewatch.breaker")

FAILURES_BEFORE_OPEN = 2
RETRY_SECONDS = 1
T = TypeVar("T")


class BreakerOpen(Exception):
    """The store failed a moment ago; it was not asked."""


class Breaker:
    """Lets calls through until ``is_failure`` has been true twice in a row; after a pause, one call
    tries whether the store is back, while all others are still turned away: it may wait for long.

    Other exceptions (a broken constraint, say) prove that the store is there, so they close it.
    Calls run side by side: nothing is locked around them.
    """

    def __init__(self, name: str, is_failure: Callable[[BaseException], bool]) -> None:
        self._name = name
        self._circuit = CircuitBreaker(
            failure_threshold=FAILURES_BEFORE_OPEN,
            recovery_timeout=RETRY_SECONDS,
            expected_exception=lambda _kind, error: is_failure(error),
            name=name,
        )
        self._trial = threading.Lock()

    def call(self, work: Callable[[], T]) -> T:
        """Run ``work``.

        Raises:
            BreakerOpen: without running it.
        """
        if self._circuit.opened:
            raise BreakerOpen(self._name)
        if self._circuit.state != STATE_HALF_OPEN:
            return self._call(work)
        if not self._trial.acquire(blocking=False):
            raise BreakerOpen(self._name)
        try:
            return self._call(work)
        finally:
            self._trial.release()

    def _call(self, work: Callable[[], T]) -> T:
        was_closed = self._circuit.closed
        try:
            with self._circuit:
                return work()
        finally:
            if self._circuit.closed is not was_closed:
                self._log_change()

    def _log_change(self) -> None:
        fields = {"firewatch.store": self._name, "firewatch.breaker": self._circuit.state}
        log.warning("breaker changed", extra=fields)
