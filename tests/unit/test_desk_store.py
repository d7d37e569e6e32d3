"""What the desk keeps: real SQLite files, opened anew to prove what survives."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from desk.payload import Notification
from desk.store import NOTIFICATIONS_KEPT_PER_ALERT, Store, StoreError
from tests.unit.test_desk_webhook import alert, notification

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def _kept(store: Store, *alerts: dict[str, object], at: datetime = NOW) -> None:
    store.record(Notification.model_validate(notification(*alerts)), at)


def test_what_was_recorded_is_there_after_a_restart(tmp_path: Path) -> None:
    _kept(Store(tmp_path / "desk.db"), alert("TargetDown"))
    (episode,) = Store(tmp_path / "desk.db").firing()
    assert (episode.name, episode.labels["job"]) == ("TargetDown", "web")
    assert episode.first_heard_at == NOW


def test_each_commit_waits_for_the_disk(tmp_path: Path) -> None:
    store = Store(tmp_path / "desk.db")
    with store._connection() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_same_notification_again_adds_no_row_but_counts(tmp_path: Path) -> None:
    store = Store(tmp_path / "desk.db")
    _kept(store, alert("TargetDown"))
    _kept(store, alert("TargetDown"), at=NOW + timedelta(minutes=1))
    (episode,) = store.firing()
    assert episode.notifications == 2
    assert episode.heard_at - episode.first_heard_at == timedelta(minutes=1)
    assert len(store.deliveries(episode.id)) == 2


def test_an_alert_that_resolves_keeps_its_row_and_one_that_fires_again_gets_a_new_one(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path / "desk.db")
    _kept(store, alert("TargetDown"))
    _kept(store, alert("TargetDown", ends="2026-05-04T12:05:00Z"))
    assert store.firing() == []
    _kept(store, alert("TargetDown", starts="2026-05-04T13:00:00Z"))
    assert [one.status for one in store.episodes("00000000000000aa")] == ["firing", "resolved"]


def test_an_episode_that_fires_again_with_the_same_start_is_opened_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "desk.db")
    _kept(store, alert("TargetDown", ends="2026-05-04T12:05:00Z"))
    _kept(store, alert("TargetDown"))
    (episode,) = store.firing()
    assert episode.ends_at is None


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_later_episode_ends_an_earlier_one_that_nobody_resolved(
    tmp_path: Path, order: tuple[int, int]
) -> None:
    starts = ("2026-05-04T11:00:00Z", "2026-05-04T12:00:00.123456789Z")
    store = Store(tmp_path / "desk.db")
    for index in order:
        _kept(store, alert("TargetDown", starts=starts[index]))
    (firing,) = store.firing()
    (ended,) = store.resolved()
    assert firing.starts_at == ended.ends_at == datetime(2026, 5, 4, 12, 0, 0, 123456, tzinfo=UTC)


def test_times_in_other_zones_are_the_same_episode(tmp_path: Path) -> None:
    store = Store(tmp_path / "desk.db")
    _kept(store, alert("TargetDown", starts="2026-05-04T12:00:00Z"))
    _kept(store, alert("TargetDown", starts="2026-05-04T14:00:00+02:00"))
    assert [episode.notifications for episode in store.firing()] == [2]


def test_a_notification_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "desk.db")
    with store._connection() as connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON alerts WHEN NEW.name = 'Second' "
            "BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        )
    with pytest.raises(sqlite3.Error, match="disk is full"):
        _kept(store, alert("First"), alert("Second", fingerprint="00000000000000bb"))
    assert store.firing() == []


def test_old_and_surplus_resolved_alerts_are_forgotten_and_firing_ones_never(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path / "desk.db", keep_days=1, keep_alerts=2)
    _kept(store, alert("Firing", starts="2020-01-01T00:00:00Z"))
    for index, ends in enumerate(("2026-05-01T12:00:00Z", *["2026-05-04T11:00:00Z"] * 3)):
        ended = alert("Ended", fingerprint=f"{index:016x}", starts="2026-05-01T11:00:00Z")
        _kept(store, ended | {"status": "resolved", "endsAt": ends})
    assert [episode.name for episode in store.firing()] == ["Firing"]
    assert [episode.fingerprint[-1] for episode in store.resolved()] == ["3", "2"]


def test_only_the_last_notifications_of_an_alert_are_kept(tmp_path: Path) -> None:
    store = Store(tmp_path / "desk.db")
    for minute in range(NOTIFICATIONS_KEPT_PER_ALERT + 5):
        _kept(store, alert("TargetDown"), at=NOW + timedelta(minutes=minute))
    (episode,) = store.firing()
    kept = store.deliveries(episode.id)
    assert len(kept) == NOTIFICATIONS_KEPT_PER_ALERT
    assert kept[0].received_at == episode.heard_at
    assert episode.notifications == NOTIFICATIONS_KEPT_PER_ALERT + 5


def test_a_file_that_is_no_database_stops_the_start_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "desk.db").write_text("not a database, but long enough to be looked at " * 9)
    with pytest.raises(StoreError, match=r"FIREWATCH_DESK_DB \(.*desk.db\) cannot be used"):
        Store(tmp_path / "desk.db")


def test_a_file_of_a_newer_desk_stops_the_start(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "desk.db") as connection:
        connection.execute("PRAGMA user_version = 7")
    with pytest.raises(StoreError, match="schema version 7"):
        Store(tmp_path / "desk.db")
