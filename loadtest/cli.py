"""``python -m loadtest``: reads the options, runs, prints the verdict, exits by it."""

from __future__ import annotations

import random
import ssl
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click

from loadtest.addresses import addresses
from loadtest.customers import SetUpError, open_shop
from loadtest.drive import Run
from loadtest.figures import ServerFigures
from loadtest.locustfile import Counter
from loadtest.profiles import PROFILES, Profile
from loadtest.prometheus import Prometheus, PrometheusError, Window, server_figures
from loadtest.report import Report, check_table, write_report
from loadtest.targets import TARGETS
from loadtest.verdict import Outcome, judge
from stack.layout import Layout


@click.group()
def main() -> None:
    """Open-loop load with a verdict."""


@main.command()
@click.option("--profile", "name", type=click.Choice(sorted(PROFILES)), default="steady")
@click.option("--rate", type=click.FloatRange(min=1), help="Requests a second, in all.")
@click.option("--duration", type=click.FloatRange(min=1), help="Seconds of the timed window.")
@click.option("--base-url", help="The shop; by default this machine's stack.")
@click.option("--ca", type=click.Path(path_type=Path), help="The CA to trust; the stack's own.")
@click.option(
    "--prometheus",
    help="Where to read the service's own figures, by default the stack's; "
    "'none' judges by the client's alone.",
)
@click.option("--report-dir", type=click.Path(path_type=Path), help="By default the stack's.")
def run(
    name: str,
    rate: float | None,
    duration: float | None,
    base_url: str | None,
    ca: Path | None,
    prometheus: str | None,
    report_dir: Path | None,
) -> None:
    """Run a profile. Exits 0 on a pass, 1 on a fail, 2 when the run says nothing (invalid)."""
    profile = PROFILES[name]
    profile = replace(
        profile,
        rate=rate or profile.rate,
        duration_seconds=duration or profile.duration_seconds,
    )
    layout = Layout.from_environment()
    shop = base_url or f"https://{layout.address('edge-https')}"
    figures = prometheus or f"http://{layout.address('prometheus')}"
    try:
        reader = None if figures == "none" else Prometheus(figures)
        report = _run(name, profile, shop.rstrip("/"), ca or layout.ca, reader)
    except (SetUpError, PrometheusError) as error:
        click.echo(f"invalid: {error}", err=True)
        sys.exit(Outcome.INVALID)
    path = write_report(report, report_dir or layout.state / "reports")
    _say_verdict(report, path)
    sys.exit(report.verdict.outcome)


def _run(
    name: str, profile: Profile, base_url: str, ca: Path, prometheus: Prometheus | None
) -> Report:
    counter = _counter(base_url, ca, profile)
    with Run(base_url, profile, counter, TARGETS, click.echo) as run:
        click.echo(f"Warming up for {profile.warm_up_seconds:g} s at {profile.rate:g} req/s")
        run.warm_up()
        start = prometheus.wait_for_scrape() if prometheus else time.time()
        began = datetime.now(UTC)
        measured = run.measure()
    server = _server(prometheus, start)
    verdict = judge(measured.client, measured.generator, server, TARGETS)
    return Report(
        profile_name=name,
        profile=profile,
        base_url=base_url,
        began=began,
        client=measured.client,
        generator=measured.generator,
        server=server,
        verdict=verdict,
        samples=measured.samples,
    )


def _counter(base_url: str, ca: Path, profile: Profile) -> Counter:
    context = _tls(ca)
    rng = random.Random()
    clients = addresses(rng.getrandbits(24))
    click.echo(f"Signing in {profile.accounts} customers at {base_url}")
    shop = open_shop(base_url, context, clients, profile.accounts)
    return Counter(shop, clients, context, rng)


def _tls(ca: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca))
    except OSError as error:
        raise SetUpError(f"The CA file {ca} cannot be read: {error.strerror or error}.") from None


def _server(prometheus: Prometheus | None, start: float) -> ServerFigures | None:
    if prometheus is None:
        return None
    click.echo("Waiting for Prometheus to scrape what came last")
    return server_figures(prometheus, Window(start, prometheus.wait_for_scrape()), TARGETS)


def _say_verdict(report: Report, path: Path) -> None:
    verdict = report.verdict
    click.echo("\n".join(check_table((*verdict.service, *verdict.generator))))
    for check in verdict.broken:
        click.echo(f"missed: {check.name}")
    click.echo(f"{verdict.outcome.name}: {path}")
