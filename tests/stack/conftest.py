"""A whole stack for these tests: its own ports and state folder, beside any that runs already."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from stack.layout import ROOT, Layout
from tests.stack.customer import shopper
from tests.stack.live import LiveStack

OFFSET = 10_000


@pytest.fixture(scope="session")
def stack() -> Iterator[LiveStack]:
    """A running stack at an offset, taken down and removed afterwards."""
    made = LiveStack(Layout(ROOT / ".stack-test", OFFSET), print)
    # What a run that was interrupted has left behind would be taken for this run's.
    made.down()
    made.remove()
    made = LiveStack(Layout(ROOT / ".stack-test", OFFSET), print)
    try:
        made.up()
        yield made
    finally:
        made.down()
        made.remove()


@pytest.fixture
def shop(stack: LiveStack) -> Iterator[httpx.Client]:
    """A customer from an address of its own."""
    with shopper(stack) as client:
        yield client
