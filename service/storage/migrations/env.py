"""Runs migrations: one at a time over all machines, each in its own transaction, none for long."""

from __future__ import annotations

from alembic import context
from sqlalchemy import NullPool, create_engine, text

# Any constant: it only has to be the same for everyone who migrates this database.
MIGRATION_LOCK = 0x4649_5245
SHORT_WAITS = text("SET lock_timeout = '2s'")


def run() -> None:
    """Upgrade to the revision asked for, holding an advisory lock."""
    url = str(context.config.attributes["database_url"])
    url = "postgresql+psycopg://" + url.split("://", 1)[1]
    # The lock has a connection of its own: the other one commits after each migration.
    locking = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    migrating = create_engine(url, poolclass=NullPool)
    with locking.connect() as guard, migrating.connect() as connection:
        # Here too: a migration that hangs elsewhere must not hang all that come after it.
        guard.execute(SHORT_WAITS)
        guard.execute(text(f"SELECT pg_advisory_lock({MIGRATION_LOCK})"))
        connection.execute(SHORT_WAITS)
        connection.commit()
        context.configure(connection=connection, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()


run()
