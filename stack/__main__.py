"""``python -m stack``: the native stack's commands; ``make`` calls them."""

from __future__ import annotations

import sys
import time

import click
from rich.console import Console
from rich.table import Table

from stack.configs import check_configs
from stack.errors import StackError
from stack.layout import Layout
from stack.operate import NOT_RUNNING, Stack
from stack.readiness import prometheus_targets, target_problems


@click.group(help=__doc__)
def main() -> None:
    pass


def _stack() -> Stack:
    return Stack(Layout.from_environment(), click.echo)


@main.command()
def up() -> None:
    """Start everything that does not run, and wait until it is ready."""
    started = time.monotonic()
    stack = _stack()
    stack.up()
    _print_addresses(stack.layout)
    megabytes = stack.memory_bytes() / 1024**2
    click.echo(f"Ready after {time.monotonic() - started:.0f} s, using {megabytes:.0f} MB.")


@main.command()
def down() -> None:
    """Stop everything; the data stays."""
    _stack().down()


@main.command()
def status() -> None:
    """Say how every part is; exit code 0 only when all is well."""
    stack = _stack()
    if stack.supervisor_pid() is None:
        raise StackError(NOT_RUNNING)
    well = _show_programs(stack) & _show_targets(stack.layout)
    click.echo("All is well." if well else "Not all is well.")
    sys.exit(0 if well else 1)


def _show_programs(stack: Stack) -> bool:
    states, all_well = stack.supervisor.states(), True
    for program in stack.programs:
        well = stack.is_well(program)
        all_well &= well
        told = states.get(program.name, {}).get("description", "not known to supervisord")
        click.echo(f"{program.name:28}{'ready' if well else 'NOT READY':11}{told}")
    return all_well


def _show_targets(layout: Layout) -> bool:
    targets = prometheus_targets(layout)
    click.echo("\nPrometheus targets" if targets else "\nPrometheus tells of no target.")
    for each in targets:
        state = f"DOWN: {each.problem}" if each.problem else "up"
        click.echo(f"{each.job:14}{each.instance:20}{state}")
    return not target_problems(targets)


@main.command()
@click.confirmation_option(prompt="All data of this stack will be gone. Go on?")
def clean() -> None:
    """Stop everything and remove all data."""
    stack = _stack()
    stack.down()
    stack.remove()


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED)
def ctl(words: tuple[str, ...]) -> None:
    """supervisorctl for this stack: status, start NAME, stop NAME, restart NAME, tail -4000 NAME."""
    stack = _stack()
    if stack.supervisor_pid() is None:
        raise StackError(NOT_RUNNING)
    sys.exit(stack.supervisor.control(list(words)))


@main.command("check-configs")
def check() -> None:
    """Check every rendered configuration with the checker of the program that reads it."""
    failures = check_configs(click.echo)
    if failures:
        raise StackError(f"{failures} of the checks failed.")


def _print_addresses(layout: Layout) -> None:
    secrets = f"password in {layout.state.name}/secrets.json"
    table = Table("address", "what it is", "how to sign in")
    rows = [
        (f"https://localhost:{layout.port('edge-https')}", "the shop's API", "POST /api/accounts"),
        (f"http://{layout.address('desk')}", "the desk: pages and runbooks", "open"),
        (f"http://{layout.address('prometheus')}", "Prometheus", "open"),
        (f"http://{layout.address('alertmanager')}", "Alertmanager (API only)", "open"),
        (layout.address("postgres-primary"), "PostgreSQL, primary", f"firewatch, {secrets}"),
        (layout.address("postgres-replica"), "PostgreSQL, replica", f"firewatch, {secrets}"),
        (layout.address("redis"), "Redis", "open"),
        (layout.address("smtp"), f"mail, kept in {layout.state.name}/mail/box", "open"),
    ]
    for row in rows:
        table.add_row(*row)
    # As wide as it needs to be: an address cut in two cannot be copied.
    Console(width=120).print(table)
    click.echo(f"Trust the certificate authority in {layout.ca}")


def run() -> int:
    """The exit code; whatever was foreseen is one sentence, not a stack trace."""
    try:
        main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.Abort:
        click.echo("Interrupted; what was started still runs: `make down` stops it.", err=True)
        return 130
    except StackError as error:
        click.echo(f"Error: {error}", err=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(run())
