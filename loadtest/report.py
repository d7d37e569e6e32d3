"""Writes a run's report: JSON for machines, Markdown for people."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loadtest.figures import (
    ClientFigures,
    GeneratorFigures,
    Line,
    Sample,
    ServerFigures,
    per_second,
)
from loadtest.profiles import MIX, NAMES, Profile
from loadtest.verdict import Check, Verdict


@dataclass(frozen=True)
class Report:
    """All that is reported of one run."""

    profile_name: str
    profile: Profile
    base_url: str
    began: datetime
    client: ClientFigures
    generator: GeneratorFigures
    server: ServerFigures | None
    verdict: Verdict
    samples: Sequence[Sample]


def write_report(report: Report, folder: Path) -> Path:
    """Write ``load-<profile>-<time>.md`` and ``.json`` into ``folder``; returns the first."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"load-{report.profile_name}-{report.began:%Y%m%dT%H%M%SZ}"
    (folder / f"{stem}.json").write_text(json.dumps(as_json(report), indent=1) + "\n")
    path = folder / f"{stem}.md"
    path.write_text("\n".join(as_markdown(report)) + "\n")
    return path


def as_json(report: Report) -> dict[str, Any]:
    """The report as plain JSON values; what is unknown (NaN) is null. Durations in seconds."""
    verdict = report.verdict
    content = {
        "outcome": verdict.outcome.name.lower(),
        "profile": {"name": report.profile_name, **asdict(report.profile)},
        "base_url": report.base_url,
        "began": report.began.astimezone(UTC).isoformat(timespec="seconds"),
        "machine": _machine(),
        "mix": {NAMES[kind]: weight for kind, weight in MIX.items()},
        "checks": [_check(check) for check in (*verdict.service, *verdict.generator)],
        "client": asdict(report.client),
        "generator": asdict(report.generator),
        "server": asdict(report.server) if report.server else None,
        "per_second": [asdict(line) for line in per_second(report.samples)],
    }
    return dict(_without_nan(content))


def _machine() -> dict[str, Any]:
    return {"cores": os.cpu_count(), "python": platform.python_version()}


def _check(check: Check) -> dict[str, Any]:
    return {**asdict(check), "passed": check.passed}


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_markdown(report: Report) -> Iterator[str]:
    """The report's lines."""
    client, profile = report.client, report.profile
    yield f"# Load run “{report.profile_name}”: {report.verdict.outcome.name.lower()}"
    yield ""
    yield (
        f"{report.began:%Y-%m-%d %H:%M:%S} UTC, {report.base_url}: "
        f"{profile.rate:g} requests/s asked, open loop ({profile.arrivals} arrivals), "
        f"{profile.duration_seconds:g} s after {profile.warm_up_seconds:g} s of warm-up, "
        f"at most {profile.users} requests in flight. "
        "Times count from the moment a request was due."
    )
    yield from ("", *check_table((*report.verdict.service, *report.verdict.generator)), "")
    yield from _line_table((*client.lines, client.total))
    yield from ("", *_notes(report))


def check_table(checks: Sequence[Check]) -> Iterator[str]:
    """A Markdown table of figures and their limits."""
    yield "| check | measured | limit | |"
    yield "|---|---:|---:|---|"
    for check in checks:
        limit = f"{check.comparison} {check.limit:g} {check.unit}"
        mark = "ok" if check.passed else "**missed**"
        yield f"| {check.name} | {_shown(check.value, check.unit)} | {limit} | {mark} |"


def _shown(value: float, unit: str) -> str:
    return "no data" if math.isnan(value) else f"{value:.4g} {unit}"


def _line_table(lines: Sequence[Line]) -> Iterator[str]:
    yield "| request | count | errors | p50 ms | p95 ms | p99 ms | worst ms |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for line in lines:
        times = (line.p50, line.p95, line.p99, line.worst)
        shown = " | ".join(f"{seconds * 1000:.1f}" for seconds in times)
        yield f"| {line.name} | {line.requests} | {line.errors} | {shown} |"


def _notes(report: Report) -> Iterator[str]:
    generator, server = report.generator, report.server
    yield (
        f"Generator: {generator.cpu_share:.0%} of a core, worst delay of an arrival "
        f"{generator.worst_late_seconds * 1000:.1f} ms, "
        f"{generator.found_no_free_user} arrivals found no free user."
    )
    if server is None:
        yield "Prometheus was not asked."
    else:
        yield (
            f"Requests counted: {report.client.total.requests} by the client, "
            f"{server.requests:g} by Prometheus."
        )
    for error, count in report.client.errors.items():
        yield f"- {count} × {error}"
