"""Migrations: from nothing, again, beside each other, and against a table that is in use."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from service.storage import schema
from stack.layout import ROOT
from stack.servers import PostgresPair
from tests.integration.conftest import MakeShop
from tests.integration.operator import Operator, environment
from tests.integration.shop import document, rows, value

# Of service/storage/migrations/env.py, which only Alembic can import.
TAKE_MIGRATION_LOCK = f"SELECT pg_advisory_lock({0x4649_5245})".encode()
# Who would wait for ever gets through after this time, and the test fails instead of hanging.
PATIENCE = "SET idle_in_transaction_session_timeout = '15s'"
TABLES = {"accounts", "sessions", "products", "stock", "orders", "order_items", "confirmations"}


@pytest.fixture
def empty(pair: PostgresPair) -> Iterator[str]:
    """The URL of an empty database."""
    name = f"migrations_{secrets.token_hex(4)}"
    with psycopg.connect(pair.admin_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} OWNER firewatch".encode())
        yield urlsplit(pair.primary_url)._replace(path=f"/{name}").geturl()
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def operator(empty: str, monkeypatch: pytest.MonkeyPatch, defaults: dict[str, Any]) -> Operator:
    monkeypatch.setattr(schema, "LOCK_ATTEMPTS", 2)
    monkeypatch.setattr(schema, "LOCK_PAUSE_SECONDS", 0.1)
    return Operator(monkeypatch, {**defaults, "database_url": empty})


def tables(url: str) -> set[str]:
    return {name for (name,) in rows(url, "SELECT tablename FROM pg_tables")}


def test_an_empty_database_gets_every_table(
    operator: Operator, empty: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert operator.run("migrate") == 0
    assert tables(empty) >= {*TABLES, "procrastinate_jobs"}
    assert f"The schema is at {schema.required_revision()}." in capsys.readouterr().out


def test_a_second_run_changes_nothing(operator: Operator, empty: str) -> None:
    operator.run("migrate")
    rows(empty, "INSERT INTO products VALUES (1, 'a', 'b', 'c', 1, 'EUR')")
    assert operator.run("migrate") == 0
    assert value(empty, "SELECT count(*) FROM products") == 1


def test_two_that_migrate_at_once_do_not_disturb_each_other(
    empty: str, defaults: dict[str, Any]
) -> None:
    # Two processes, as on two machines: within one, Alembic cannot.
    command = [sys.executable, "-m", "service.manage", "migrate"]
    env = {**os.environ, **environment({**defaults, "database_url": empty})}
    with psycopg.connect(empty) as gate:
        gate.execute(TAKE_MIGRATION_LOCK)
        both = [
            subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        said = [each.stdout.readline() for each in both if each.stdout]
    assert [each.communicate(timeout=60) and each.returncode for each in both] == [0, 0]
    assert all("another migration runs" in line for line in said)
    newest = schema.required_revision()
    assert value(empty, "SELECT max(version_num) FROM alembic_version") == newest


def test_a_table_in_use_ends_a_migration_with_a_sentence_and_without_a_trace(
    operator: Operator, empty: str, capsys: pytest.CaptureFixture[str]
) -> None:
    operator.run("migrate")
    with psycopg.connect(empty) as customer:
        customer.execute(PATIENCE)
        customer.execute("LOCK TABLE alembic_version")
        assert operator.run("migrate") == 1
    said = capsys.readouterr()
    assert "trying again" in said.out
    assert said.err.startswith("The database did not do it: ")
    assert "lock timeout" in said.err
    assert len(said.err.splitlines()) == 1
    assert operator.run("migrate") == 0


def test_a_migration_that_hangs_elsewhere_does_not_hang_this_one(
    operator: Operator, empty: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(empty) as elsewhere:
        elsewhere.execute(PATIENCE)
        elsewhere.execute(TAKE_MIGRATION_LOCK)
        assert operator.run("migrate") == 1
    assert "lock timeout" in capsys.readouterr().err


def test_a_database_that_is_away_is_a_sentence(
    operator: Operator, nowhere: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert operator.run("migrate", database_url=f"postgresql://a:b@{nowhere}/c") == 1
    said = capsys.readouterr().err
    assert said.startswith("The database did not do it: ")
    assert len(said.splitlines()) == 1


def test_readiness_names_the_schema_while_it_is_behind(make_shop: MakeShop, empty: str) -> None:
    shop = make_shop(database_url=empty, replica_url=None)
    ready = shop.get("/health/ready?degraded=allowed")
    assert ready.status_code == 503
    assert document(ready)["parts"]["schema"] == f"at nothing, needs {schema.required_revision()}"
    schema.migrate(empty)
    rows(empty, "UPDATE alembic_version SET version_num = '0001'")
    assert document(shop.get("/health/ready"))["parts"]["schema"].startswith("at 0001, needs ")
    rows(empty, "UPDATE alembic_version SET version_num = %s", (schema.required_revision(),))
    assert shop.get("/health/ready").status_code == 200


def test_a_schema_newer_than_this_release_needs_is_no_reason_to_stop(
    make_shop: MakeShop, empty: str
) -> None:
    schema.migrate(empty)
    rows(empty, "UPDATE alembic_version SET version_num = '9999'")
    shop = make_shop(database_url=empty, replica_url=None)
    assert shop.get("/health/ready").status_code == 200
