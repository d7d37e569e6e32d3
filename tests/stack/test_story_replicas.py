"""A replica goes, by order or by accident; customers do not notice."""

from __future__ import annotations

import os
import signal
import time

import pytest

from stack.processes import wait_until
from tests.stack.live import LiveStack
from tests.stack.traffic import reading

RATE = 200


def end_one(stack: LiveStack, by: signal.Signals) -> None:
    """End a replica under way, and wait until its successor serves."""
    before = stack.pid("web-blue-1")
    os.kill(before, by)
    wait_until(lambda: stack.pid("web-blue-1") not in (0, before), 60, "A new web-blue-1")
    stack.await_well("web-blue-1")


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL], ids=lambda by: by.name)
def test_under_load_no_reader_fails_when_a_replica_ends(
    stack: LiveStack, by: signal.Signals
) -> None:
    with reading(stack, RATE) as end:
        time.sleep(3)
        end_one(stack, by)
        time.sleep(3)
        outcome = end()
    print(f"{by.name}: {outcome}")
    assert outcome.failed == {}
    assert outcome.answers.total() > 6 * RATE


def test_a_replica_that_is_told_to_end_says_so_first_and_flushes_last(stack: LiveStack) -> None:
    log = stack.layout.logs / "web-blue-1.jsonl"
    already = log.stat().st_size
    end_one(stack, signal.SIGTERM)
    with log.open() as lines:
        lines.seek(already)
        told = lines.read()
    begun, ended = told.index('"message":"drain started"'), told.index('"telemetry closed"')
    assert begun < ended
