"""The background writer of log lines: nothing is lost in silence, and rotation needs no signal."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from observability.logs import BackgroundHandler

# Long: these tests decide themselves when it writes.
NEVER_SECONDS = 3600.0


class Log:
    """A handler on a file, and what it counted."""

    def __init__(self, path: Path, capacity: int = 100) -> None:
        self.path = path
        self.counted: Counter[str] = Counter()
        self.handler = BackgroundHandler(str(path), self._count, capacity, NEVER_SECONDS)

    def _count(self, result: str, lines: int) -> None:
        self.counted[result] += lines

    def say(self, message: object, level: int = logging.INFO) -> None:
        self.handler.handle(logging.LogRecord("t", level, "f", 1, message, None, None))

    def lines(self) -> list[str]:
        return self.path.read_text().splitlines()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    log = Log(tmp_path / "log")
    yield log
    log.handler.close()


def test_lines_come_out_in_order_and_are_counted(log: Log) -> None:
    for number in range(5):
        log.say(f"line {number}")
    assert log.lines() == []
    log.handler.flush()
    assert log.lines() == [f"line {number}" for number in range(5)]
    assert log.counted == {"written": 5}


def test_close_writes_what_waits_and_closes_the_file(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    log.say("last words")
    log.handler.close()
    assert log.lines() == ["last words"]
    assert log.handler._stream.closed
    assert not log.handler._thread.is_alive()


def test_to_close_twice_does_no_harm(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    log.handler.close()
    log.handler.close()


def test_an_error_is_written_at_once_and_takes_earlier_lines_along(log: Log) -> None:
    written = Waiter(log)
    log.say("before")
    log.say("broken", logging.ERROR)
    assert written.wait()
    assert log.lines() == ["before", "broken"]


class Waiter:
    """Waits until the writer's thread has counted lines as written."""

    def __init__(self, log: Log) -> None:
        from threading import Event

        self._event = Event()
        count = log.handler._count

        def note(result: str, lines: int) -> None:
            count(result, lines)
            self._event.set()

        log.handler._count = note

    def wait(self) -> bool:
        return self._event.wait(10)


def test_beyond_its_capacity_the_newest_lines_are_dropped_and_counted(tmp_path: Path) -> None:
    log = Log(tmp_path / "log", capacity=3)
    for number in range(10):
        log.say(str(number))
    log.handler.close()
    assert log.lines() == ["0", "1", "2"]
    assert log.counted == {"written": 3, "dropped": 7}


def test_a_line_that_cannot_be_made_is_counted_and_raises_nothing(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)

    class Unprintable:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    log.say(Unprintable())
    log.say("next")
    log.handler.flush()
    assert log.lines() == ["next"]
    assert log.counted == {"written": 1, "dropped": 1}


def test_a_file_that_was_renamed_is_opened_anew(log: Log) -> None:
    log.say("old")
    log.handler.flush()
    log.path.rename(log.path.with_suffix(".1"))
    log.say("new")
    log.handler.flush()
    assert log.path.with_suffix(".1").read_text() == "old\n"
    assert log.lines() == ["new"]


def test_a_file_that_another_one_replaced_is_opened_anew(log: Log) -> None:
    log.path.rename(log.path.with_suffix(".1"))
    log.path.write_text("made by logrotate\n")
    log.say("new")
    log.handler.flush()
    assert log.lines() == ["made by logrotate", "new"]


def test_after_a_file_that_could_not_be_opened_writing_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    log = Log(folder / "log")
    folder.rename(tmp_path / "away")
    log.say("lost")
    log.handler.flush()
    assert log.counted == {"dropped": 1}
    assert "log lines lost: 1" in capsys.readouterr().err
    folder.mkdir()
    log.path.touch()
    log.say("kept")
    log.handler.close()
    assert log.lines() == ["kept"]
    assert log.counted == {"dropped": 1, "written": 1}


def test_a_full_disk_is_counted_and_raises_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log(Path("/dev/full"))
    log.say("lost")
    log.handler.flush()
    log.handler.close()
    assert log.counted == {"dropped": 1}
    assert "log lines lost: 1" in capsys.readouterr().err


def test_without_a_path_lines_go_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    handler = BackgroundHandler(None, lambda _result, _lines: None, 100, NEVER_SECONDS)
    handler.handle(logging.LogRecord("t", logging.INFO, "f", 1, "to the terminal", None, None))
    handler.close()
    print("still open")
    assert capsys.readouterr().out == "to the terminal\nstill open\n"
