"""The desk's memory: one SQLite file that survives restarts.

Each write is one transaction, synced to the disk before it is acknowledged (``synchronous=FULL``):
a page that Alertmanager believes delivered is never lost.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from desk.episodes import WATCHDOG, Delivery, Episode
from desk.payload import Alert, Notification

SCHEMA = Path(__file__).with_name("schema.sql")
SCHEMA_VERSION = 1
# The Watchdog beats every minute and must not crowd out the rest.
NOTIFICATIONS_KEPT_PER_ALERT = 100

_UPSERT = """
INSERT INTO alerts (fingerprint, starts_at, ends_at, status, name, labels, annotations,
                    generator_url, external_url, first_heard_at, heard_at)
VALUES (:fingerprint, :starts_at, :ends_at, :status, :name, :labels, :annotations,
        :generator_url, :external_url, :heard_at, :heard_at)
ON CONFLICT (fingerprint, starts_at) DO UPDATE SET
    ends_at = excluded.ends_at, status = excluded.status, labels = excluded.labels,
    annotations = excluded.annotations, generator_url = excluded.generator_url,
    external_url = excluded.external_url, heard_at = excluded.heard_at,
    notifications = notifications + 1
RETURNING id
"""
# An Alertmanager that lost its memory never resolves what it forgot; the next episode of the same
# alert proves that the last one ended.
_CLOSE_SUPERSEDED = """
UPDATE alerts SET status = 'resolved', ends_at = (
    SELECT min(later.starts_at) FROM alerts AS later
    WHERE later.fingerprint = alerts.fingerprint AND later.starts_at > alerts.starts_at)
WHERE fingerprint = ? AND status = 'firing' AND EXISTS (
    SELECT 1 FROM alerts AS later
    WHERE later.fingerprint = alerts.fingerprint AND later.starts_at > alerts.starts_at)
"""
_FORGET_OLD_NOTIFICATIONS = """
DELETE FROM notifications WHERE alert_id = ?1 AND id <= (
    SELECT id FROM notifications WHERE alert_id = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)
"""
_FORGET_OLD_ALERTS = """
DELETE FROM alerts WHERE status = 'resolved' AND (ends_at < ?1 OR id IN (
    SELECT id FROM alerts WHERE status = 'resolved' ORDER BY ends_at DESC LIMIT -1 OFFSET ?2))
"""


class StoreError(Exception):
    """The file cannot be used; the message is one sentence that names it."""


class Store:
    """The alerts received. Safe to share between threads: each call opens the file anew.

    ``keep_days`` and ``keep_alerts`` bound what is kept of the resolved; what fires is never
    forgotten.
    """

    def __init__(self, path: Path, *, keep_days: int = 90, keep_alerts: int = 5000) -> None:
        self._path = path
        self._keep = timedelta(days=keep_days), keep_alerts
        try:
            self._create()
        except sqlite3.Error as error:
            raise StoreError(f"FIREWATCH_DESK_DB ({path}) cannot be used: {error}.") from error

    def record(self, notification: Notification, received_at: datetime) -> None:
        """Keep a whole notification, or none of it (sqlite3.Error).

        The same notification again changes nothing but the counts and when it was last heard.
        """
        with self._transaction() as connection:
            for alert in notification.alerts:
                self._record_alert(connection, alert, notification, received_at)
            age, count = self._keep
            connection.execute(_FORGET_OLD_ALERTS, (_text(received_at - age), count))

    def firing(self) -> list[Episode]:
        """What fires now, but for the Watchdog."""
        return self._episodes("status = 'firing' AND name <> ? ORDER BY starts_at", WATCHDOG)

    def resolved(self, limit: int = 200) -> list[Episode]:
        """What fired and has ended, latest first, but for the Watchdog."""
        where = "status = 'resolved' AND name <> ? ORDER BY ends_at DESC, id DESC LIMIT ?"
        return self._episodes(where, WATCHDOG, limit)

    def last_watchdog(self) -> Episode | None:
        """The Watchdog as it was heard last, firing or resolved."""
        found = self._episodes("name = ? ORDER BY heard_at DESC, id DESC LIMIT 1", WATCHDOG)
        return found[0] if found else None

    def episodes(self, fingerprint: str) -> list[Episode]:
        """All episodes of one alert, latest first."""
        return self._episodes("fingerprint = ? ORDER BY starts_at DESC", fingerprint)

    def deliveries(self, alert_id: int) -> list[Delivery]:
        """The notifications received about one episode, latest first (the last 100)."""
        query = "SELECT received_at, status, receiver FROM notifications WHERE alert_id = ?"
        with self._connection() as connection:
            rows = connection.execute(f"{query} ORDER BY id DESC", (alert_id,)).fetchall()
        return [Delivery(datetime.fromisoformat(at), status, to) for at, status, to in rows]

    def check_writable(self) -> None:
        """Raise sqlite3.Error when a page could not be kept now."""
        with self._transaction():
            pass

    def _record_alert(
        self, connection: sqlite3.Connection, alert: Alert, whole: Notification, at: datetime
    ) -> None:
        row = _row(alert, whole.externalURL) | {"heard_at": _text(at)}
        (alert_id,) = connection.execute(_UPSERT, row).fetchone()
        connection.execute(
            "INSERT INTO notifications (alert_id, received_at, status, receiver) "
            "VALUES (?, ?, ?, ?)",
            (alert_id, row["heard_at"], alert.status, whole.receiver),
        )
        kept = NOTIFICATIONS_KEPT_PER_ALERT
        connection.execute(_FORGET_OLD_NOTIFICATIONS, (alert_id, kept))
        connection.execute(_CLOSE_SUPERSEDED, (alert.fingerprint,))

    def _episodes(self, where: str, *values: str | int) -> list[Episode]:
        # `where` is one of the constants above, never input.
        with self._connection() as connection:
            connection.row_factory = sqlite3.Row
            rows = connection.execute(f"SELECT * FROM alerts WHERE {where}", values).fetchall()
        return [_episode(row) for row in rows]

    def _create(self) -> None:
        with self._connection() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version == 0:
                connection.executescript(
                    f"BEGIN IMMEDIATE; {SCHEMA.read_text()}"
                    f"PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
                )
            elif version != SCHEMA_VERSION:
                raise StoreError(
                    f"FIREWATCH_DESK_DB ({self._path}) holds schema version {version}; "
                    f"this desk knows version {SCHEMA_VERSION}."
                )

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=10, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            yield connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            with connection:  # commits, or rolls back when the block raises
                yield connection


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _row(alert: Alert, external_url: str) -> dict[str, str | None]:
    return {
        "fingerprint": alert.fingerprint,
        "starts_at": _text(alert.startsAt),
        "ends_at": _text(alert.endsAt) if alert.status == "resolved" else None,
        "status": alert.status,
        "name": alert.labels.get("alertname", "(no name)"),
        "labels": json.dumps(alert.labels, sort_keys=True),
        "annotations": json.dumps(alert.annotations, sort_keys=True),
        "generator_url": alert.generatorURL,
        "external_url": external_url,
    }


def _episode(row: sqlite3.Row) -> Episode:
    values = dict(row)
    for name in ("starts_at", "ends_at", "first_heard_at", "heard_at"):
        values[name] = datetime.fromisoformat(values[name]) if values[name] else None
    for name in ("labels", "annotations"):
        values[name] = json.loads(values[name])
    return Episode(**values)
