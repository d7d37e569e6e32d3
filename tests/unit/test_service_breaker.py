"""The breaker: closed, open after two failures, and one trial at a time after a pause."""

from __future__ import annotations

import threading

import circuitbreaker
import pytest

from service.storage.breaker import RETRY_SECONDS, Breaker, BreakerOpen
from tests.unit.service_support import lines_of


class Clock:
    """The breaker's clock, moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(circuitbreaker, "monotonic", clock)
    return clock


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("store", lambda error: isinstance(error, OSError))


def fail(error: Exception | None = None) -> None:
    raise error or OSError("away")


def open_it(breaker: Breaker) -> None:
    for _ in range(2):
        with pytest.raises(OSError, match="away"):
            breaker.call(fail)


def test_a_call_gives_back_what_the_store_said(breaker: Breaker) -> None:
    assert breaker.call(lambda: 7) == 7


def test_after_two_failures_the_store_is_not_asked(breaker: Breaker) -> None:
    open_it(breaker)
    asked: list[int] = []
    with pytest.raises(BreakerOpen, match="store"):
        breaker.call(lambda: asked.append(1))
    assert asked == []


def test_one_failure_alone_opens_nothing(breaker: Breaker) -> None:
    for _ in range(5):
        with pytest.raises(OSError, match="away"):
            breaker.call(fail)
        assert breaker.call(lambda: "there") == "there"


def test_an_error_that_proves_the_store_is_there_counts_as_an_answer(breaker: Breaker) -> None:
    with pytest.raises(OSError, match="away"):
        breaker.call(fail)
    with pytest.raises(ValueError, match="constraint"):
        breaker.call(lambda: fail(ValueError("constraint")))
    with pytest.raises(OSError, match="away"):
        breaker.call(fail)
    assert breaker.call(lambda: "still asked") == "still asked"


def test_after_the_pause_a_trial_that_succeeds_closes_it(breaker: Breaker, clock: Clock) -> None:
    open_it(breaker)
    clock.now += RETRY_SECONDS
    assert breaker.call(lambda: "back") == "back"
    assert breaker.call(lambda: "and stays") == "and stays"


def test_after_the_pause_a_trial_that_fails_opens_it_for_another_pause(
    breaker: Breaker, clock: Clock
) -> None:
    open_it(breaker)
    clock.now += RETRY_SECONDS
    with pytest.raises(OSError, match="away"):
        breaker.call(fail)
    clock.now += RETRY_SECONDS / 2
    with pytest.raises(BreakerOpen):
        breaker.call(lambda: "too early")


def test_while_one_tries_the_others_are_turned_away(breaker: Breaker, clock: Clock) -> None:
    open_it(breaker)
    clock.now += RETRY_SECONDS
    trying, go_on = threading.Event(), threading.Event()

    def slow() -> str:
        trying.set()
        assert go_on.wait(10)
        return "back"

    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(breaker.call(slow)))
    thread.start()
    assert trying.wait(10)
    with pytest.raises(BreakerOpen):
        breaker.call(lambda: "second trial")
    go_on.set()
    thread.join(10)
    assert answers == ["back"]
    assert breaker.call(lambda: "closed") == "closed"


def test_a_trial_that_failed_lets_the_next_one_try(breaker: Breaker, clock: Clock) -> None:
    open_it(breaker)
    for _ in range(2):
        clock.now += RETRY_SECONDS
        with pytest.raises(OSError, match="away"):
            breaker.call(fail)


def test_opening_and_closing_are_logged_once_each(breaker: Breaker, clock: Clock) -> None:
    with lines_of("firewatch.breaker") as lines:
        open_it(breaker)
        clock.now += RETRY_SECONDS
        breaker.call(lambda: "back")
        breaker.call(lambda: "back")
    assert [line["firewatch.breaker"] for line in lines.documents] == ["open", "closed"]
    assert {line["firewatch.store"] for line in lines.documents} == {"store"}
