"""Writes a run's report: JSON for machines, Markdown and HTML for people."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loadtest.against import comparison
from loadtest.figures import (
    ClientFigures,
    GeneratorFigures,
    Line,
    Sample,
    ServerFigures,
    per_second,
    shown,
)
from loadtest.html import as_html
from loadtest.machine import OTHERS, MachineFigures
from loadtest.plots import plots
from loadtest.profiles import MIX, NAMES, Profile
from loadtest.targets import TARGETS
from loadtest.verdict import Check, Verdict

LEAST_CORES = 0.01
SIGNS = {"<": "<", "<=": "≤", ">=": "≥"}


@dataclass(frozen=True)
class Report:
    """All that is reported of one run; ``earlier`` is the JSON of the one to compare with."""

    profile_name: str
    profile: Profile
    base_url: str
    began: datetime
    client: ClientFigures
    generator: GeneratorFigures
    server: ServerFigures | None
    machine: MachineFigures
    verdict: Verdict
    samples: Sequence[Sample]
    earlier: dict[str, Any] | None = None


def write_report(report: Report, folder: Path) -> Path:
    """Write ``load-<profile>-<time>/report.{json,md,html}`` and its plots into ``folder``;
    returns the HTML file."""
    place = folder / f"load-{report.profile_name}-{report.began:%Y%m%dT%H%M%SZ}"
    place.mkdir(parents=True, exist_ok=True)
    content = as_json(report)
    (place / "report.json").write_text(json.dumps(content, indent=1) + "\n")
    text, pictures = list(as_markdown(report, content)), dict(_pictures(report))
    for number, picture in enumerate(pictures.values()):
        (place / f"plot-{number}.svg").write_text(picture)
    images = [f"![{caption}](plot-{n}.svg)\n" for n, caption in enumerate(pictures)]
    (place / "report.md").write_text("\n".join([*text, "", *images]) + "\n")
    path = place / "report.html"
    path.write_text(as_html("\n".join(text), pictures, report.verdict.outcome))
    return path


def _pictures(report: Report) -> Iterator[tuple[str, str]]:
    client = report.client
    return plots(
        report.samples, client.duration_seconds, client.asked_rate, report.machine, TARGETS
    )


def as_json(report: Report) -> dict[str, Any]:
    """The report as plain JSON values; what is unknown (NaN) is null. Durations in seconds."""
    verdict = report.verdict
    content = {
        "outcome": verdict.outcome.name.lower(),
        "profile": {"name": report.profile_name, **asdict(report.profile)},
        "base_url": report.base_url,
        "began": report.began.astimezone(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "mix": {NAMES[kind]: weight for kind, weight in MIX.items()},
        "checks": [_check(check) for check in (*verdict.service, *verdict.generator)],
        "client": asdict(report.client),
        "generator": asdict(report.generator),
        "server": asdict(report.server) if report.server else None,
        "machine": asdict(report.machine),
        "per_second": [asdict(line) for line in per_second(report.samples)],
    }
    return dict(_without_nan(content))


def _check(check: Check) -> dict[str, Any]:
    return {**asdict(check), "passed": check.passed}


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_markdown(report: Report, content: dict[str, Any]) -> Iterator[str]:
    """The report's lines, but for the plots; ``content`` is its JSON."""
    client, profile = report.client, report.profile
    yield f"# Load run “{report.profile_name}”: {report.verdict.outcome.name.lower()}"
    yield ""
    yield (
        f"{report.began:%Y-%m-%d %H:%M:%S} UTC, {report.base_url}: "
        f"{profile.rate:g} requests/s asked, open loop ({profile.arrivals} arrivals), "
        f"{profile.duration_seconds:g} s after {profile.warm_up_seconds:g} s of warm-up, "
        f"at most {profile.connections} requests in flight. "
        "Times count from the moment a request was due."
    )
    yield from ("", *check_table((*report.verdict.service, *report.verdict.generator)), "")
    yield from ("## Requests", "", *_line_table((*client.lines, client.total)), "")
    yield from _errors(client)
    yield from _notes(report)
    yield from _machine_table(report.machine, client.total.requests / client.elapsed_seconds)
    if report.earlier:
        yield from ("", *comparison(content, report.earlier))


def check_table(checks: Sequence[Check]) -> Iterator[str]:
    """A Markdown table of figures and their limits."""
    yield "| check | measured | limit | |"
    yield "|---|---:|---:|---|"
    for check in checks:
        limit = f"{SIGNS[check.comparison]} {check.limit:g} {check.unit}"
        mark = "ok" if check.passed else "**missed**"
        yield f"| {check.name} | {shown(check.value, check.unit)} | {limit} | {mark} |"


def _line_table(lines: Sequence[Line]) -> Iterator[str]:
    yield "| request | count | errors | p50 ms | p95 ms | p99 ms | worst ms |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for line in lines:
        times = (line.p50, line.p95, line.p99, line.worst)
        shown = " | ".join(f"{seconds * 1000:.1f}" for seconds in times)
        yield f"| `{line.name}` | {line.requests} | {line.errors} | {shown} |"


def _errors(client: ClientFigures) -> Iterator[str]:
    for error, count in client.errors.items():
        yield f"- {count} × {error}"
    if client.errors:
        yield ""


def _notes(report: Report) -> Iterator[str]:
    generator, server = report.generator, report.server
    yield (
        f"Generators: {generator.processes}, the busiest at {generator.cpu_share:.0%} of a core; "
        f"the latest arrival came {generator.worst_late_seconds * 1000:.1f} ms late, "
        f"{generator.found_no_free_user} found no free user and waited for one."
    )
    yield ""
    if server is None:
        yield "Prometheus was not asked."
    else:
        yield (
            f"Requests counted: {report.client.total.requests} by the clients, "
            f"{server.requests:g} by Prometheus. The clients' times include the network, TLS, and "
            "the wait for a free thread; Prometheus' begin in the application."
        )


def _machine_table(machine: MachineFigures, rate: float) -> Iterator[str]:
    if not machine.programs:
        return
    yield from ("", f"## Processor time, of {machine.cores} cores", "")
    yield (
        f"{machine.programs.get(OTHERS, 0.0):.2f} cores were taken by what is neither the stack's "
        "nor the load generators'. Programs under 1 % of a core are left out."
    )
    yield ""
    yield "| program | cores | µs a request |"
    yield "|---|---:|---:|"
    for name, cores in machine.programs.items():
        if cores < LEAST_CORES:
            continue
        yield f"| {name} | {cores:.3f} | {cores / rate * 1e6 if rate else math.nan:.0f} |"
