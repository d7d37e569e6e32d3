"""The stack's two PostgreSQL servers: made when they are missing, configured at every start."""

from __future__ import annotations

from collections.abc import Callable

from stack import postgres
from stack.layout import Layout
from stack.secrets import Secrets
from stack.supervisor import Supervisor

STOP_SECONDS = 60


class Databases:
    """The primary and its replica; ``say`` takes lines of progress."""

    def __init__(
        self, layout: Layout, keys: Secrets, supervisor: Supervisor, say: Callable[[str], None]
    ) -> None:
        self._layout, self._passwords = layout, keys.databases
        self._supervisor, self._say = supervisor, say
        self._primary_port = layout.port("postgres-primary")

    def prepare(self) -> None:
        """Before anything runs: make the primary if need be, and write both configurations."""
        if not postgres.is_made(self._layout.primary):
            self._say("making the PostgreSQL primary")
        postgres.create_primary(self._layout.primary, self._primary_port, self._passwords)
        if postgres.is_made(self._layout.replica):
            self._create_replica()

    def prepare_replica(self) -> None:
        """While the primary runs: copy it if there is no replica that can follow it."""
        if postgres.lost_its_replica(self._primary_port, self._passwords.monitor):
            self._say("the replica was away for too long and is made anew")
            self._give_up_replica()
        if not postgres.is_made(self._layout.replica):
            self._say("copying the primary to the replica")
        self._create_replica()

    def _give_up_replica(self) -> None:
        self._supervisor.stop("postgres-replica")
        self._supervisor.await_stop("postgres-replica", STOP_SECONDS)
        postgres.renew_slot(self._primary_port, self._passwords)
        postgres.remove(self._layout.replica)

    def _create_replica(self) -> None:
        port = self._layout.port("postgres-replica")
        postgres.create_replica(self._layout.replica, port, self._primary_port, self._passwords)

    def let_the_monitor_count_jobs(self) -> None:
        """This table and no other: the rest is customers' data."""
        grant = "GRANT SELECT ON procrastinate_jobs TO monitor"
        postgres.execute(self._primary_port, self._passwords, grant)
