"""What the desk keeps and shows: episodes of alerts and the notifications about them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

WATCHDOG = "Watchdog"


@dataclass(frozen=True)
class Episode:
    """One alert from when it started until it resolved (``ends_at`` is None while it fires)."""

    id: int
    fingerprint: str
    starts_at: datetime
    ends_at: datetime | None
    status: str
    name: str
    labels: dict[str, str]
    annotations: dict[str, str]
    generator_url: str
    external_url: str
    first_heard_at: datetime
    heard_at: datetime
    notifications: int


@dataclass(frozen=True)
class Delivery:
    """One notification about an episode, as it was received."""

    received_at: datetime
    status: str
    receiver: str
