"""Ports for a stack, or a part of one, beside all that runs."""

from __future__ import annotations

from stack.checks import check_ports
from stack.errors import StackError
from stack.layout import PORTS, ROOT, Layout


def free_offset() -> int:
    """An offset at which all ports of a stack are free.

    Raises:
        StackError: when there is none.
    """
    for offset in range(20_000, 40_000, 100):
        try:
            check_ports(Layout(ROOT, offset), PORTS)
        except StackError:
            continue
        return offset
    raise StackError("No offset from 20000 to 40000 leaves all ports free.")
