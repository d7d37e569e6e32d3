"""``python -m stack up|down|status|ctl``: the native stack's commands; ``make`` calls them."""

from __future__ import annotations

import sys
import time

import click
from rich.console import Console
from rich.table import Table

from stack.checks import CannotStart, wait_until
from stack.configs import check_configs
from stack.layout import Layout
from stack.operate import READY_SECONDS, Stack


@click.group(help=__doc__)
def main() -> None:
    pass


def _stack() -> Stack:
    try:
        return Stack(Layout.from_environment(), click.echo)
    except ValueError as error:
        raise click.ClickException(str(error)) from None


@main.command()
def up() -> None:
    """Start everything, and wait until it is ready."""
    started = time.monotonic()
    stack = _stack()
    try:
        stack.up()
    except CannotStart as error:
        raise click.ClickException(str(error)) from None
    _print_addresses(stack)
    megabytes = stack.memory_bytes() / 1024**2
    click.echo(f"Ready after {time.monotonic() - started:.0f} s; memory {megabytes:.0f} MB.")


@main.command()
def down() -> None:
    """Stop everything; the data stays."""
    _stack().down()


@main.command()
def status() -> None:
    """Say how every part is; exit code 0 only when all is well."""
    stack = _stack()
    problems = stack.problems()
    if stack.supervisor.pid() is not None:
        states = stack.supervisor.states()
        for program in stack.programs:
            click.echo(f"{program.name:28}{states[program.name]['description']}")
    for problem in problems:
        click.echo(problem)
    if problems:
        sys.exit(1)
    click.echo(f"All is well: {len(stack.programs)} programs, every Prometheus target is up.")


@main.command()
@click.argument("action", type=click.Choice(["start", "stop", "restart"]))
@click.argument("name")
def ctl(action: str, name: str) -> None:
    """Start, stop or restart one program, as a runbook asks."""
    stack = _stack()
    by_name = {program.name: program for program in stack.programs}
    if name not in by_name:
        raise click.ClickException(f"No program {name}; there are: {', '.join(by_name)}.")
    if stack.supervisor.pid() is None:
        raise click.ClickException("The stack does not run; start it with: make stack")
    if action in ("stop", "restart"):
        stack.supervisor.stop(name)
    if action in ("start", "restart"):
        stack.supervisor.start(name)
        if not wait_until(lambda: stack._is_well(by_name[name]), READY_SECONDS):
            raise click.ClickException(f"{name} did not become ready; see {stack.layout.logs}.")
    click.echo(f"{name}: {action} done")


@main.command("check-configs")
def check() -> None:
    """Check every rendered configuration with its own program's checker."""
    failures = check_configs(click.echo)
    if failures:
        raise click.ClickException(f"{failures} configurations are wrong.")


def _print_addresses(stack: Stack) -> None:
    layout = stack.layout
    table = Table("address", "what it is", "how to sign in")
    rows = [
        (f"https://localhost:{layout.port('edge-https')}", "the shop's API", "POST /api/sessions"),
        (f"http://{layout.address('desk')}", "desk: pages, runbooks", "none"),
        (f"http://{layout.address('prometheus')}", "Prometheus", "none"),
        (f"http://{layout.address('alertmanager')}", "Alertmanager (API only)", "none"),
        (layout.address("postgres-primary"), "PostgreSQL primary", "firewatch; secrets.json"),
        (layout.address("postgres-replica"), "PostgreSQL replica", "firewatch; secrets.json"),
        (layout.address("redis"), "Redis", "none"),
    ]
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    click.echo(f"Certificate authority: {layout.ca}")


if __name__ == "__main__":
    main()
