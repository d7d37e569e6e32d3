"""The schema's version: what this code needs, what the database has, and how to get there.

Revisions are numbered ("0001", "0002", …), so that "at least what I need" can be asked: while a
newer release migrates first (expand, then contract), the older one still finds all it needs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy.exc import OperationalError

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK_ATTEMPTS = 10
LOCK_PAUSE_SECONDS = 2.0


def required_revision() -> str:
    """The newest revision that this code ships."""
    return max(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def migrate(database_url: str, say: Callable[[str], None] = print) -> None:
    """Bring the database to ``required_revision``; each migration is one transaction.

    A migration that cannot get its lock within two seconds gives up rather than queue every
    customer behind it, and is tried again.

    Raises:
        sqlalchemy.exc.OperationalError: the database is away, or the lock stayed taken.
    """
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["database_url"] = database_url
    for attempt in range(1, LOCK_ATTEMPTS + 1):
        try:
            command.upgrade(config, "head")
            return
        except OperationalError as error:
            if "lock timeout" not in str(error) or attempt == LOCK_ATTEMPTS:
                raise
            say(
                "A table is in use, or another migration runs; "
                f"trying again in {LOCK_PAUSE_SECONDS:.0f} s ({attempt})."
            )
            time.sleep(LOCK_PAUSE_SECONDS)
