"""A whole stack for these tests: its own ports and state folder, beside any that runs already."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from stack.layout import ROOT, Layout
from stack.operate import Stack

OFFSET = 10_000


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A running stack at an offset, taken down and removed afterwards."""
    layout = Layout(ROOT / ".stack-test", OFFSET)
    made = Stack(layout, print)
    try:
        made.up()
        yield made
    finally:
        made.down()
        shutil.rmtree(layout.elsewhere, ignore_errors=True)
        shutil.rmtree(layout.state, ignore_errors=True)
        assert not os.path.exists(layout.state)
