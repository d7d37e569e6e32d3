"""A replica's life: it drains when told, and closes everything once, in order, whatever fails."""

from __future__ import annotations

from service.lifecycle import Lifecycle
from tests.unit.service_support import lines_of


def test_it_drains_from_the_moment_it_is_told() -> None:
    lifecycle = Lifecycle()
    assert not lifecycle.draining
    lifecycle.start_drain()
    assert lifecycle.draining


def test_parts_are_closed_in_the_order_in_which_they_were_registered_and_once() -> None:
    lifecycle, closed = Lifecycle(), list[str]()
    for name in ("database", "cache", "telemetry"):
        lifecycle.on_close(name, lambda name=name: closed.append(name))  # type: ignore[misc]
    lifecycle.close()
    lifecycle.close()
    assert closed == ["database", "cache", "telemetry"]


def test_a_part_that_fails_to_close_is_named_and_keeps_no_other_open() -> None:
    lifecycle, closed = Lifecycle(), list[str]()

    def broken() -> None:
        raise OSError("stuck")

    lifecycle.on_close("database", broken)
    lifecycle.on_close("telemetry", lambda: closed.append("telemetry"))
    with lines_of("firewatch.lifecycle") as lines:
        lifecycle.close()
    assert closed == ["telemetry"]
    (line,) = lines.documents
    assert (line["firewatch.part"], line["error.message"]) == ("database", "stuck")
