"""PostgreSQL: a pool on the primary and one on the replica, and queries that are timed and traced.

Reads that may lag go to the replica, and to the primary while the replica is away (or the other
way round). Writes need the primary: while it is away they raise ``Unavailable`` at once.
"""

from __future__ import annotations

import logging
import select
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString, TypeVar

import psycopg
from opentelemetry.trace import SpanKind, Tracer
from psycopg import Connection, pq
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from observability.instruments import Instruments
from observability.tracing import child_span
from service.storage.breaker import Breaker, BreakerOpen

log = logging.getLogger("firewatch.postgres")

PRIMARY = "primary"
REPLICA = "replica"
FAILED = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)
SHUTTING_DOWN = ("57P01", "57P02", "57P03")
Row = DictRow
T = TypeVar("T")


class Unavailable(Exception):
    """The server that this needs is away: try again later. ``target`` names it."""

    def __init__(self, target: str) -> None:
        super().__init__(f"{target} is unavailable")
        self.target = target


def is_away(error: BaseException) -> bool:
    """Whether ``error`` says that the server itself is gone, not that one query failed on it."""
    if isinstance(error, psycopg.OperationalError) and error.sqlstate:
        return error.sqlstate.startswith("08") or error.sqlstate in SHUTTING_DOWN
    return isinstance(error, FAILED)


def was_closed(connection: Connection[Row]) -> bool:
    """Whether the server has closed ``connection``; asked only where it has said something.

    A server says nothing on an idle connection, but for its farewell. So a restart costs no
    customer a failed request, and a request no round trip.
    """
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if not poll.poll(0):
        return False
    try:
        ConnectionPool.check_connection(connection)
    except psycopg.OperationalError:
        return True
    return False


class Session:
    """An open connection; each query on it is timed, and traced where the request is sampled."""

    def __init__(
        self,
        connection: Connection[Row],
        target: str,
        instruments: Instruments,
        tracer: Tracer,
    ) -> None:
        self.connection = connection
        self._target = target
        self._instruments = instruments
        self._tracer = tracer

    def rows(self, operation: str, query: LiteralString, values: Sequence[Any] = ()) -> list[Row]:
        """Run ``query``; all its rows, or none where it returns none.

        ``operation`` is a constant name for metrics and spans, such as ``product_get``.
        """
        with self.timed(operation, query):
            cursor = self.connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def row(self, operation: str, query: LiteralString, values: Sequence[Any] = ()) -> Row | None:
        """The first row of ``rows``, or None."""
        rows = self.rows(operation, query, values)
        return rows[0] if rows else None

    @contextmanager
    def timed(self, operation: str, query: str) -> Iterator[None]:
        """Time and trace what the block does on this connection."""
        attributes = {
            "db.system.name": "postgresql",
            "db.operation.name": operation,
            "db.query.text": query,
            "firewatch.db.target": self._target,
        }
        started = time.perf_counter()
        try:
            with child_span(self._tracer, f"sql {operation}", SpanKind.CLIENT, attributes):
                yield
        finally:
            seconds = time.perf_counter() - started
            self._instruments.db_query_duration.labels(operation, self._target).observe(seconds)


class Server:
    """One PostgreSQL server: its pool, its breaker, and what is counted about it."""

    def __init__(
        self,
        target: str,
        url: str,
        instruments: Instruments,
        tracer: Tracer,
        *,
        pool_size: int,
        pool_timeout_seconds: float,
        statement_timeout_seconds: float,
    ) -> None:
        self.target = target
        self._url = url
        self._instruments = instruments
        self._tracer = tracer
        self._wait = instruments.db_pool_wait.labels(target)
        self._breaker = Breaker(f"postgres-{target}", is_away)
        self._pool: ConnectionPool[Connection[Row]] = ConnectionPool(
            url,
            kwargs={
                "autocommit": True,  # a read is one round trip; transactions are explicit
                "row_factory": dict_row,
                "connect_timeout": 2,
                "application_name": "firewatch",
                "options": f"-c statement_timeout={int(statement_timeout_seconds * 1000)}",
            },
            min_size=min(2, pool_size),
            max_size=pool_size,
            timeout=pool_timeout_seconds,
            # Short, so that a long outage does not stretch the back-off far past its end.
            reconnect_timeout=1,
            name=target,
            open=False,
        )

    def open(self) -> None:
        """Start the pool; it connects in the background, so a server that is away stops nothing."""
        self._pool.open(wait=False)

    def close(self) -> None:
        self._pool.close(timeout=2)

    def use(self, work: Callable[[Session], T]) -> T:
        """Run ``work`` on a connection.

        Raises:
            Unavailable: the server is away, or its pool has no connection in time.
        """
        try:
            return self._breaker.call(lambda: self._use(work))
        except BreakerOpen as error:
            raise Unavailable(self.target) from error
        except FAILED as error:
            self._count_error(error)
            raise Unavailable(self.target) from error
        except psycopg.Error:
            self._instruments.db_errors.labels(self.target, "query").inc()
            raise

    def _use(self, work: Callable[[Session], T]) -> T:
        started = time.perf_counter()
        try:
            connection = self._connection()
        finally:
            self._wait.observe(time.perf_counter() - started)
        try:
            return work(Session(connection, self.target, self._instruments, self._tracer))
        finally:
            self._pool.putconn(connection)

    def _connection(self) -> Connection[Row]:
        connection = self._pool.getconn()
        while was_closed(connection):
            self._pool.putconn(connection)  # which the pool replaces, where it can
            if pq.PGconn.ping(self._url.encode()) != pq.Ping.OK:
                # At once: to wait for a server that is away would hold up all other requests.
                raise psycopg.OperationalError(f"{self.target} has closed its connections")
            connection = self._pool.getconn()
        return connection

    def _count_error(self, error: BaseException) -> None:
        kind = "pool_timeout" if isinstance(error, PoolTimeout) else "unavailable"
        self._instruments.db_errors.labels(self.target, kind).inc()


class Database:
    """The primary, and the replica where there is one."""

    def __init__(self, primary: Server, replica: Server | None, instruments: Instruments) -> None:
        self.primary = primary
        self.replica = replica
        self._instruments = instruments

    def open(self) -> None:
        for server in self._servers(PRIMARY):
            server.open()

    def close(self) -> None:
        for server in self._servers(PRIMARY):
            server.close()

    def read(self, work: Callable[[Session], T], prefer: str = REPLICA) -> T:
        """Run read-only ``work`` on the preferred server, or on the other while that is away.

        Raises:
            Unavailable: neither answers.
        """
        first, *others = self._servers(prefer)
        try:
            return first.use(work)
        except Unavailable:
            if not others:
                raise
        self._instruments.db_fallback_reads.labels(first.target).inc()
        return others[0].use(work)

    def transaction(self, work: Callable[[Session], T]) -> T:
        """Run ``work`` in one transaction on the primary: all of it happens, or nothing.

        Raises:
            Unavailable: the primary is away. Where the connection broke during the commit, it may
                have happened: that is what idempotency keys are for.
        """

        def in_transaction(session: Session) -> T:
            with session.connection.transaction():
                return work(session)

        return self.primary.use(in_transaction)

    def _servers(self, prefer: str) -> list[Server]:
        if self.replica is None:
            return [self.primary]
        servers = [self.primary, self.replica]
        return servers if prefer == PRIMARY else servers[::-1]
