"""The worker process: runs order jobs until TERM, then finishes those in hand and flushes.

Run: ``python -m service.jobs``. At least once: a job whose worker died is found by its
missing heartbeat and run again.
"""

from __future__ import annotations

import asyncio

from procrastinate import App, JobContext, PsycopgConnector, RetryStrategy

from observability.telemetry import Telemetry
from service.jobs.confirmation import Confirmations
from service.jobs.queue import CONFIRMATION, QUEUE, retry_strategy
from service.jobs.telemetry import JobTelemetry
from service.settings import Settings
from service.storage.postgres import Database
from service.stores import make_database, make_personal_data, telemetry_options

GRACE_SECONDS = 20
HOUSEKEEPING = "housekeeping"
OLD_JOB_HOURS = 24


def make_worker_app(settings: Settings, confirmations: Confirmations, database: Database) -> App:
    """A procrastinate app that knows every task of the shop."""
    app = App(connector=PsycopgConnector(conninfo=settings.database_url, min_size=1, max_size=4))

    @app.task(name=CONFIRMATION, queue=QUEUE, retry=retry_strategy(settings.job_max_attempts))
    def send_confirmation(order_id: str, enqueued_at: float, traceparent: str = "") -> None:
        confirmations.send(order_id)

    _add_housekeeping(app, settings, database)
    return app


def _add_housekeeping(app: App, settings: Settings, database: Database) -> None:
    @app.periodic(cron="* * * * * */5")  # the seconds come last
    @app.task(name="retry_stalled_jobs", queue=HOUSEKEEPING, pass_context=True)
    async def retry_stalled_jobs(context: JobContext, timestamp: int) -> None:
        manager = context.app.job_manager
        stalled = await manager.get_stalled_jobs(
            seconds_since_heartbeat=settings.job_stalled_seconds
        )
        for job in stalled:
            await manager.retry_job(job)

    @app.periodic(cron="17 * * * *")
    @app.task(
        name="remove_expired",
        queue=HOUSEKEEPING,
        pass_context=True,
        retry=RetryStrategy(max_attempts=3),
    )
    async def remove_expired(context: JobContext, timestamp: int) -> None:
        await context.app.job_manager.delete_old_jobs(nb_hours=OLD_JOB_HOURS)
        await asyncio.to_thread(_delete_expired_sessions, database)


def _delete_expired_sessions(database: Database) -> None:
    database.transaction(
        lambda session: session.rows(
            "session_expire", "DELETE FROM sessions WHERE expires_at < now()"
        )
    )


def run(settings: Settings) -> None:
    """Run until TERM or INT."""
    telemetry = Telemetry(telemetry_options(settings, "worker"))
    database = make_database(settings, telemetry.instruments, telemetry.tracer)
    database.open()
    confirmations = Confirmations(database, make_personal_data(settings), settings)
    jobs = JobTelemetry(telemetry.instruments, telemetry.tracer)
    try:
        make_worker_app(settings, confirmations, database).run_worker(
            queues=[QUEUE, HOUSEKEEPING, "builtin"],
            name=settings.instance,
            concurrency=settings.job_concurrency,
            shutdown_graceful_timeout=GRACE_SECONDS,
            update_heartbeat_interval=settings.job_heartbeat_seconds,
            stalled_worker_timeout=settings.job_stalled_seconds,
            task_middleware=[jobs.middleware, jobs.async_middleware],
        )
    finally:
        database.close()
        telemetry.close()
