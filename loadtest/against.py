"""Compares a run with an earlier one's report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loadtest.figures import shown


class EarlierError(Exception):
    """The earlier report cannot be read; the message says which and why."""


def read_earlier(path: Path) -> dict[str, Any]:
    """The JSON of an earlier report; ``path`` is the file, or the folder of that report.

    Raises:
        EarlierError: when there is no report.
    """
    file = path / "report.json" if path.is_dir() else path
    try:
        earlier = json.loads(file.read_text())
        earlier["checks"], earlier["began"], earlier["profile"]["rate"]
    except (OSError, ValueError, KeyError, TypeError):
        raise EarlierError(f"{file} is no report of a load run.") from None
    return dict(earlier)


def comparison(now: dict[str, Any], earlier: dict[str, Any]) -> Iterator[str]:
    """Markdown: each figure of both runs, and by how much it has changed."""
    yield f"## Against the run of {earlier['began']} ({earlier['outcome']})"
    yield ""
    asked, before = now["profile"]["rate"], earlier["profile"]["rate"]
    if asked != before:
        yield f"The runs are not alike: {asked:g} req/s were asked now, {before:g} then."
        yield ""
    yield "| figure | then | now | change |"
    yield "|---|---:|---:|---:|"
    values = {check["name"]: check["value"] for check in earlier["checks"]}
    for check in now["checks"]:
        yield _row(check["name"], check["unit"], values.get(check["name"]), check["value"])


def _row(name: str, unit: str, then: float | None, now: float | None) -> str:
    return f"| {name} | {shown(then, unit)} | {shown(now, unit)} | {_change(then, now)} |"


def _change(then: float | None, now: float | None) -> str:
    if then is None or now is None:
        return ""
    if then == 0:
        return "none" if now == 0 else "new"
    return f"{(now - then) / then:+.0%}"
