"""Operators' commands: ``python -m service.manage migrate|seed|rotate-keys|check-settings``."""

from __future__ import annotations

import sys

import click
import psycopg
from sqlalchemy.exc import OperationalError

from service.catalog.seed import seed_products
from service.security.crypto import UndecryptableError
from service.security.rotation import rotate_accounts
from service.settings import Settings, SettingsError, load_settings
from service.storage.schema import migrate as migrate_schema
from service.storage.schema import required_revision
from service.stores import make_personal_data


@click.group(help=__doc__)
@click.pass_context
def main(context: click.Context) -> None:
    try:
        context.obj = load_settings()
    except SettingsError as error:
        raise click.ClickException(str(error)) from None


@main.command()
@click.pass_obj
def migrate(settings: Settings) -> None:
    """Bring the database's schema to what this release needs."""
    migrate_schema(settings.database_url, click.echo)
    click.echo(f"The schema is at {required_revision()}.")


@main.command()
@click.option("--products", default=1000, show_default=True, type=click.IntRange(1, 10_000_000))
@click.option("--stock", default=10_000, show_default=True, type=click.IntRange(0))
@click.pass_obj
def seed(settings: Settings, products: int, stock: int) -> None:
    """Fill the catalogue; what is there already stays as it is."""
    with psycopg.connect(settings.database_url) as connection:
        added = seed_products(connection, products, stock, click.echo)
    click.echo(f"{added} products added.")


@main.command("rotate-keys")
@click.pass_obj
def rotate_keys(settings: Settings) -> None:
    """Encrypt all personal data anew with the first of FIREWATCH_ENCRYPTION_KEYS."""
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        count = rotate_accounts(connection, make_personal_data(settings), click.echo)
    click.echo(f"{count} accounts are encrypted with the first key.")


@main.command("check-settings")
def check_settings() -> None:
    """Say whether the settings are right, and nothing else."""
    click.echo("The settings are right.")


def run() -> int:
    """The commands' exit code; an expected failure is one sentence, not a stack trace."""
    try:
        main(standalone_mode=False)
        return 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Exit as error:
        return error.exit_code
    except (psycopg.OperationalError, OperationalError) as error:
        print(f"The database did not do it: {str(error).splitlines()[0]}", file=sys.stderr)
    except UndecryptableError as error:
        print(f"Nothing more was changed: {error}.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(run())
