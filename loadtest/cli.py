"""``python -m loadtest``: reads the options, runs, prints the verdict, exits by it."""

from __future__ import annotations

import random
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click
import httpx

from loadtest.addresses import HOSTS, addresses
from loadtest.against import EarlierError, read_earlier
from loadtest.customers import SetUpError, Shop, open_shop, trust
from loadtest.drive import GeneratorError, Generators
from loadtest.figures import ServerFigures, summarise
from loadtest.generator import Generator, go_first
from loadtest.machine import OTHERS, Watch
from loadtest.profiles import PROFILES, Profile
from loadtest.prometheus import Prometheus, PrometheusError, Window, server_figures
from loadtest.report import Report, check_table, write_report
from loadtest.targets import TARGETS
from loadtest.verdict import Outcome, judge
from stack.errors import StackError
from stack.layout import HOST, Layout

INVALID = (SetUpError, PrometheusError, GeneratorError, EarlierError, StackError)
# More of them, and a run says as much about the neighbours as about the service.
FOREIGN_CORES = 0.1


@click.group()
def main() -> None:
    """Open-loop load with a verdict."""


@main.command()
@click.option("--host", default=HOST, show_default=True)
@click.option("--port", type=int, required=True)
def generate(host: str, port: int) -> None:
    """Generate load for the run that listens there; ``run`` starts these by itself."""
    go_first()
    Generator(host, port).serve()


@main.command()
@click.option("--profile", "name", type=click.Choice(sorted(PROFILES)), default="steady")
@click.option("--rate", type=click.FloatRange(min=1), help="Requests a second, in all.")
@click.option("--duration", type=click.FloatRange(min=1), help="Seconds of the timed window.")
@click.option("--connections", type=click.IntRange(min=1), help="Requests in flight, at most.")
@click.option("--processes", type=click.IntRange(min=1), help="Generators; by default by rate.")
@click.option("--base-url", help="The shop; by default this machine's stack.")
@click.option("--ca", type=click.Path(path_type=Path), help="The CA to trust; the stack's own.")
@click.option(
    "--prometheus",
    help="Where to read the service's own figures, by default the stack's; "
    "'none' judges by the client's alone.",
)
@click.option("--report-dir", type=click.Path(path_type=Path), help="By default the stack's.")
@click.option("--against", type=click.Path(path_type=Path), help="An earlier report, to compare.")
def run(
    name: str,
    rate: float | None,
    duration: float | None,
    connections: int | None,
    processes: int | None,
    base_url: str | None,
    ca: Path | None,
    prometheus: str | None,
    report_dir: Path | None,
    against: Path | None,
) -> None:
    """Run a profile. Exits 0 on a pass, 1 on a fail, 2 when the run says nothing (invalid)."""
    profile = _profile(name, rate, duration, connections)
    try:
        layout = Layout.from_environment()
        shop = (base_url or f"https://{layout.address('edge-https')}").rstrip("/")
        figures = prometheus or f"http://{layout.address('prometheus')}"
        earlier = read_earlier(against) if against else None
        reader = None if figures == "none" else Prometheus(figures)
        load = Load(name, profile, shop, ca or layout.ca, layout)
        report = replace(load.run(processes or profile.processes, reader), earlier=earlier)
    except INVALID as error:
        click.echo(f"invalid: {error}", err=True)
        sys.exit(Outcome.INVALID)
    _say_verdict(report, write_report(report, report_dir or layout.state / "reports"))
    sys.exit(report.verdict.outcome)


def _profile(
    name: str, rate: float | None, duration: float | None, connections: int | None
) -> Profile:
    profile = PROFILES[name]
    return replace(
        profile,
        rate=rate or profile.rate,
        duration_seconds=duration or profile.duration_seconds,
        connections=connections or profile.connections,
    )


class Load:
    """One run of the profile ``name`` against ``base_url``."""

    def __init__(self, name: str, profile: Profile, base_url: str, ca: Path, layout: Layout):
        self._name, self._profile, self._base_url = name, profile, base_url
        self._ca, self._layout = ca, layout
        self._seed = random.randrange(len(HOSTS))

    def run(self, processes: int, prometheus: Prometheus | None) -> Report:
        """Warm up, measure, judge.

        Raises:
            SetUpError, PrometheusError, GeneratorError: when the run cannot say anything.
        """
        shop, profile = self._open_shop(), self._profile
        watch = Watch(self._layout)
        with Generators(self._base_url, profile, processes, click.echo) as generators:
            generators.prepare(shop, self._seed, self._ca)
            click.echo(f"Warming up for {profile.warm_up_seconds:g} s at {profile.rate:g} req/s")
            generators.warm_up()
            start = prometheus.wait_for_scrape() if prometheus else time.time()
            began = datetime.now(UTC)
            with watch:
                generator = generators.measure()
        server = _server(prometheus, start)
        client = summarise(generators.samples, profile.rate, profile.duration_seconds)
        return Report(
            profile_name=self._name,
            profile=profile,
            base_url=self._base_url,
            began=began,
            client=client,
            generator=generator,
            server=server,
            machine=watch.figures,
            verdict=judge(client, generator, server, TARGETS),
            samples=generators.samples,
        )

    def _open_shop(self) -> Shop:
        click.echo(f"Signing in {self._profile.customers} customers at {self._base_url}")
        # Far from where the generators begin.
        clients = addresses(self._seed + len(HOSTS) // 2)
        with httpx.Client(base_url=self._base_url, verify=trust(self._ca), timeout=10) as client:
            return open_shop(client, clients, self._profile.customers)


def _server(prometheus: Prometheus | None, start: float) -> ServerFigures | None:
    if prometheus is None:
        return None
    click.echo("Waiting for Prometheus to scrape what came last")
    return server_figures(prometheus, Window(start, prometheus.wait_for_scrape()), TARGETS)


def _say_verdict(report: Report, path: Path) -> None:
    verdict = report.verdict
    click.echo("\n".join(check_table((*verdict.service, *verdict.generator))))
    foreign = report.machine.programs.get(OTHERS, 0.0)
    if foreign > FOREIGN_CORES:
        click.echo(f"noisy: other programs of this machine took {foreign:.2f} cores meanwhile")
    for check in verdict.broken:
        click.echo(f"missed: {check.name}")
    click.echo(f"{verdict.outcome.name}: {path}")
