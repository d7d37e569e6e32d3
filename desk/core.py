"""What the desk shows, worked out from what it keeps: no framework, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import urlsplit

from desk.episodes import Episode

SEVERITIES = ("page", "ticket", "other")  # most urgent first
WatchdogState = Literal["heard", "waiting", "silent"]


@dataclass(frozen=True)
class Page:
    """One episode as it is shown. Links are safe to follow, or None."""

    episode: Episode
    severity: str
    summary: str
    description: str
    seconds: float
    stale: bool
    runbook: str | None
    dashboard: str | None
    prometheus: str | None
    alertmanager: str | None


@dataclass(frozen=True)
class Watchdog:
    """The dead man's switch: ``silent`` means that no alert could reach the desk."""

    state: WatchdogState
    last_heard_at: datetime | None
    age_seconds: float | None
    message: str


def show(
    episode: Episode, now: datetime, stale_seconds: float, has_runbook: Callable[[str], bool]
) -> Page:
    """Work out how an episode is shown. ``has_runbook`` tells whether the desk has its page."""
    notes = episode.annotations
    own = f"/runbooks/{episode.name}" if has_runbook(episode.name) else None
    firing = episode.ends_at is None
    return Page(
        episode=episode,
        severity=severity(episode),
        summary=notes.get("summary") or notes.get("description") or episode.name,
        description=notes.get("description", ""),
        seconds=max(0.0, ((episode.ends_at or now) - episode.starts_at).total_seconds()),
        stale=firing and now - episode.heard_at > timedelta(seconds=stale_seconds),
        runbook=own or safe_link(notes.get("runbook_url", "")),
        dashboard=safe_link(notes.get("dashboard_url", "")),
        prometheus=safe_link(episode.generator_url),
        alertmanager=safe_link(episode.external_url),
    )


def severity(episode: Episode) -> str:
    """``page``, ``ticket``, or ``other`` for any label that is neither."""
    label = episode.labels.get("severity", "")
    return label if label in SEVERITIES else "other"


def most_urgent_first(pages: Iterable[Page]) -> list[Page]:
    """Pages before tickets before the rest; of these the latest to start first."""
    latest_first = sorted(pages, key=lambda page: page.episode.starts_at, reverse=True)
    return sorted(latest_first, key=lambda page: SEVERITIES.index(page.severity))


def matches(page: Page, text: str, wanted_severity: str) -> bool:
    """Whether a page holds each word of ``text`` and has the severity ('' means any)."""
    if wanted_severity and page.severity != wanted_severity:
        return False
    labels = (f"{name}={value}" for name, value in page.episode.labels.items())
    everything = " ".join((page.summary, page.description, *labels)).lower()
    return all(word in everything for word in text.lower().split())


def watchdog(
    last: Episode | None, now: datetime, started_at: datetime, deadman_seconds: float
) -> Watchdog:
    """Judge the heartbeat. A desk that was never called gets ``deadman_seconds`` to hear one."""
    if last is None:
        state: WatchdogState = "waiting" if _within(started_at, now, deadman_seconds) else "silent"
        return Watchdog(state, None, None, "The Watchdog has not been heard yet.")
    age = max(0.0, (now - last.heard_at).total_seconds())
    if last.ends_at is not None:
        text = "The Watchdog stopped: Prometheus sends no more alerts to Alertmanager."
        return Watchdog("silent", last.heard_at, age, text)
    state = "heard" if age <= deadman_seconds else "silent"
    return Watchdog(state, last.heard_at, age, f"The Watchdog was heard {duration(age)} ago.")


def _within(since: datetime, now: datetime, seconds: float) -> bool:
    return (now - since).total_seconds() <= seconds


def safe_link(url: str) -> str | None:
    """The URL when it is http(s) or relative to this site, else None.

    Browsers skip control characters and read a backslash as a slash, so neither is let through.
    """
    if not url or "\\" in url or any(char <= " " for char in url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    absolute = parts.scheme in ("http", "https") and bool(parts.netloc)
    relative = not parts.scheme and not parts.netloc and ":" not in parts.path
    return url if absolute or relative else None


def duration(seconds: float) -> str:
    """Two units at most, such as ``45 s``, ``3 min``, ``2 h 5 min``, ``4 d 1 h``."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    large, small, unit, part = (86400, 3600, "d", "h") if whole >= 86400 else (3600, 60, "h", "min")
    rest = whole % large // small
    return f"{whole // large} {unit}" + (f" {rest} {part}" if rest else "")
