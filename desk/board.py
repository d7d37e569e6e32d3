"""The board: what the desk knows at this moment, put together for the page and for JSON."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from desk import core
from desk.episodes import Episode
from desk.runbooks import Runbooks
from desk.settings import Settings
from desk.store import Store


@dataclass(frozen=True)
class Board:
    """All that the routes need. ``clock`` gives the time in UTC."""

    settings: Settings
    store: Store
    runbooks: Runbooks
    clock: Callable[[], datetime]
    started_at: datetime

    def current(self) -> list[core.Page]:
        """What fires now, most urgent first."""
        return core.most_urgent_first(self._show(self.store.firing()))

    def history(self) -> list[core.Page]:
        """What fired and has ended, latest first."""
        return self._show(self.store.resolved())

    def episodes(self, fingerprint: str) -> list[core.Page]:
        """All episodes of one alert, latest first."""
        return self._show(self.store.episodes(fingerprint))

    def watchdog(self) -> core.Watchdog:
        """The dead man's switch; a desk that cannot read its own memory is as good as dead."""
        deadman = self.settings.deadman_seconds
        try:
            last = self.store.last_watchdog()
        except sqlite3.Error as error:
            text = f"The desk cannot read its database: {error}."
            return core.Watchdog("silent", None, None, text)
        return core.watchdog(last, self.clock(), self.started_at, deadman)

    def _show(self, episodes: list[Episode]) -> list[core.Page]:
        now, stale = self.clock(), self.settings.stale_seconds
        names = frozenset(self.runbooks.names())
        return [core.show(episode, now, stale, names.__contains__) for episode in episodes]


def page_as_json(page: core.Page) -> dict[str, Any]:
    """One page as /api/pages gives it. Times are ISO 8601 in UTC, ``seconds`` how long it fired."""
    episode = page.episode
    return {
        "alertname": episode.name,
        "severity": page.severity,
        "status": episode.status,
        "summary": page.summary,
        "description": page.description,
        "fingerprint": episode.fingerprint,
        "labels": episode.labels,
        "annotations": episode.annotations,
        "starts_at": episode.starts_at.isoformat(),
        "ends_at": episode.ends_at.isoformat() if episode.ends_at else None,
        "first_heard_at": episode.first_heard_at.isoformat(),
        "heard_at": episode.heard_at.isoformat(),
        "notifications": episode.notifications,
        "seconds": page.seconds,
        "stale": page.stale,
        "runbook": page.runbook,
        "dashboard": page.dashboard,
        "prometheus": page.prometheus,
        "alertmanager": page.alertmanager,
    }


def watchdog_as_json(judged: core.Watchdog, deadman_seconds: int) -> dict[str, Any]:
    """The dead man's switch as /api/pages gives it."""
    heard = judged.last_heard_at
    return {
        "state": judged.state,
        "silent": judged.state == "silent",
        "message": judged.message,
        "last_heard_at": heard.isoformat() if heard else None,
        "age_seconds": judged.age_seconds,
        "deadman_seconds": deadman_seconds,
    }
