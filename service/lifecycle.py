"""A replica's life: serving, draining, closing; the order of shutdown is this file.

1. TERM arrives: readiness fails, answers close their connections; requests are still served.
2. After ``drain_seconds`` (load balancers have noticed): no new connection is accepted.
3. Requests in flight finish (gunicorn waits for them).
4. Stores are closed, then telemetry is flushed and stopped.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

log = logging.getLogger("firewatch.lifecycle")


class Lifecycle:
    """Knows whether this replica drains, and what to close at its end, in the order registered."""

    def __init__(self) -> None:
        self.draining = False
        self._closers: list[tuple[str, Callable[[], None]]] = []

    def start_drain(self) -> None:
        """Fail readiness from now on."""
        log.info("drain started")
        self.draining = True

    def on_close(self, name: str, close: Callable[[], None]) -> None:
        """Call ``close`` at the end, after those registered before it."""
        self._closers.append((name, close))

    def close(self) -> None:
        """Close everything once, in order; one part's failure does not keep the next from closing."""
        closers, self._closers = self._closers, []
        for name, close in closers:
            try:
                close()
            except Exception:
                log.exception("close failed", extra={"firewatch.part": name})
