"""The job queue: procrastinate on the shop's own PostgreSQL, so that a job commits with its order."""

from __future__ import annotations

import time

from procrastinate import App, RetryStrategy, SyncPsycopgConnector

from observability.tracing import current_traceparent
from service.storage.postgres import Session

CONFIRMATION = "send_confirmation"
QUEUE = "orders"
BACKOFF_SECONDS = 2


def retry_strategy(max_attempts: int) -> RetryStrategy:
    """Wait 2, 4, 8, … seconds between attempts; give up after ``max_attempts``."""
    # The library counts the attempts before this one, so the last one allowed is max_attempts - 1.
    return RetryStrategy(max_attempts=max_attempts - 1, exponential_wait=BACKOFF_SECONDS)


class JobQueue:
    """Adds jobs inside the caller's transaction."""

    def __init__(self) -> None:
        # Never opened: every job is added on a connection that the caller has.
        self._app = App(connector=SyncPsycopgConnector())

    def confirm_order(self, session: Session, order_id: str) -> None:
        """Enqueue the confirmation of an order; it exists if and only if the transaction commits."""
        job = self._app.configure_task(
            CONFIRMATION,
            queue=QUEUE,
            connection=session.connection,
        )
        with session.timed("job_defer", "procrastinate_defer_jobs"):
            job.defer(
                order_id=order_id,
                enqueued_at=time.time(),
                traceparent=current_traceparent(),
            )
