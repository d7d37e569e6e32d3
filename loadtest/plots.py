"""The report's plots, as SVG, by matplotlib."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from loadtest.figures import Line, Sample, per_second
from loadtest.machine import MachineFigures
from loadtest.targets import Targets

BLUE, ORANGE, GREEN, RED, GREY = "#1f5fa8", "#d9822b", "#3a8f5c", "#b3261e", "#8a8f98"
SIZE_INCHES = (7.6, 2.7)


def plots(
    samples: Sequence[Sample],
    seconds: float,
    asked_rate: float,
    machine: MachineFigures,
    targets: Targets,
) -> Iterator[tuple[str, str]]:
    """(caption, SVG) of each plot."""
    lines = per_second(samples)
    yield "Requests a second", _svg(lambda axes: _rate(axes, samples, seconds, asked_rate))
    limit = targets.response_seconds * 1000
    yield "Latency from the scheduled moment", _svg(lambda axes: _latency(axes, lines, limit))
    yield "How latencies spread", _svg(lambda axes: _spread(axes, samples, limit))
    if machine.busy_share:
        yield (
            "Processors busy, with all that ran on the machine",
            _svg(lambda axes: _busy(axes, machine)),
        )
    if machine.programs:
        yield "Processor time by program", _svg(lambda axes: _programs(axes, machine))


def _svg(draw: Callable[[Axes], None]) -> str:
    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    axes = figure.add_subplot()
    draw(axes)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e3e5e8", linewidth=0.6)
    axes.set_axisbelow(True)
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    # What precedes the element (an XML declaration, a document type) has no place inside HTML.
    text = out.getvalue()
    return text[text.index("<svg") :]


def _rate(axes: Axes, samples: Sequence[Sample], seconds: float, asked: float) -> None:
    good, bad = _by_second(samples, seconds)
    moments = range(len(good))
    axes.step(moments, good, where="post", color=BLUE, label="good answers")
    if any(bad):
        axes.step(moments, bad, where="post", color=RED, label="errors")
    axes.axhline(asked, color=GREY, linestyle="--", linewidth=1, label="asked for")
    axes.set_ylim(bottom=0)
    _finish(axes, "requests/s")


def _by_second(samples: Sequence[Sample], seconds: float) -> tuple[list[int], list[int]]:
    # Whole seconds of the window only: of a part of one, the rate would seem to drop.
    good, bad = [0] * max(1, int(seconds)), [0] * max(1, int(seconds))
    for sample in samples:
        if int(sample.finished) < len(good):
            (bad if sample.error else good)[int(sample.finished)] += 1
    return good, bad


def _latency(axes: Axes, lines: Sequence[Line], limit: float) -> None:
    moments = [int(line.name) for line in lines]
    for share, color in (("p50", GREEN), ("p95", BLUE), ("p99", ORANGE)):
        values = [getattr(line, share) * 1000 for line in lines]
        axes.plot(moments, values, color=color, label=share)
    axes.axhline(limit, label="limit of p95", color=RED, linestyle="--", linewidth=1)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    _finish(axes, "ms")


def _spread(axes: Axes, samples: Sequence[Sample], limit: float) -> None:
    latencies = sorted(sample.latency * 1000 for sample in samples)
    shares = [100 * (rank + 1) / len(latencies) for rank in range(len(latencies))]
    # Thousands of points draw no other line than some hundreds do.
    step = max(1, len(latencies) // 500)
    axes.plot(latencies[::step], shares[::step], color=BLUE, label="requests answered by then")
    axes.axvline(limit, label="limit of p95", color=RED, linestyle="--", linewidth=1)
    axes.axhline(95, color=GREY, linestyle=":", linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    _finish(axes, "%", "ms")


def _busy(axes: Axes, machine: MachineFigures) -> None:
    axes.plot([100 * share for share in machine.busy_share], color=BLUE, label="all cores")
    axes.set_ylim(0, 102)
    _finish(axes, "% busy")


def _programs(axes: Axes, machine: MachineFigures) -> None:
    most = list(machine.programs.items())[:10][::-1]
    bars = axes.barh([name for name, _ in most], [share for _, share in most], color=BLUE)
    axes.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
    axes.tick_params(axis="y", labelsize=8)
    axes.set_xlabel(f"cores kept busy, of {machine.cores}")


def _finish(axes: Axes, unit: str, across: str = "seconds") -> None:
    axes.set_ylabel(unit)
    axes.set_xlabel(across)
    axes.margins(x=0.01)
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
