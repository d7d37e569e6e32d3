"""One replica of the service inside the test's own process, and a customer of it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import psycopg
from werkzeug.test import Client, TestResponse

from service.app import Service
from service.settings import Settings
from stack.processes import wait_until

PASSWORD = "correct horse battery"
HOME = "12 Ridge Road"
ADDRESS = "203.0.113.7"


class Shop:
    """A replica; ``call`` and what stands on it answer as a customer sees it. Close it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.service = Service(settings)

    def close(self) -> None:
        self.service.lifecycle.close()

    def call(
        self,
        method: str,
        path: str,
        token: str = "",
        *,
        peer: str = ADDRESS,
        headers: dict[str, str] | None = None,
        base_url: str = "https://localhost",
        **request: Any,
    ) -> TestResponse:
        """One request from ``peer``; ``request`` is werkzeug's (json, data, …)."""
        sent = dict(headers or {})
        if token:
            sent["Authorization"] = f"Bearer {token}"
        return Client(self.service, use_cookies=False).open(
            path,
            method=method,
            headers=sent,
            base_url=base_url,
            environ_overrides={"REMOTE_ADDR": peer},
            buffered=True,  # so that the body is closed, with which a request ends
            **request,
        )

    def get(self, path: str, token: str = "", **more: Any) -> TestResponse:
        return self.call("GET", path, token, **more)

    def sign_up(self, email: str, password: str = PASSWORD, **more: Any) -> TestResponse:
        body = {"email": email, "password": password, "address": HOME}
        return self.call("POST", "/api/accounts", json=body, **more)

    def sign_in(self, email: str, password: str = PASSWORD, **more: Any) -> TestResponse:
        body = {"email": email, "password": password}
        return self.call("POST", "/api/sessions", json=body, **more)

    def customer(self) -> str:
        """A new account's token."""
        email = new_email()
        assert self.sign_up(email).status_code == 201
        answer = self.sign_in(email)
        assert answer.status_code == 201, answer.text
        return str(document(answer)["token"])

    def order(
        self, token: str, product_id: int = 1, quantity: int = 1, key: str = "", **more: Any
    ) -> TestResponse:
        """Order one product; under a new idempotency key unless one is given."""
        headers = {"Idempotency-Key": key or uuid.uuid4().hex, **more.pop("headers", {})}
        body = {"items": [{"product_id": product_id, "quantity": quantity}]}
        return self.call("POST", "/api/orders", token, json=body, headers=headers, **more)

    def sample(self, name: str, **labels: str) -> float:
        """What Prometheus would scrape; 0 where there is no such series yet."""
        registry = self.service.telemetry.instruments.registry
        return registry.get_sample_value(name, labels) or 0.0

    def queries(self, operation: str, target: str = "") -> float:
        """How often the query of that name was run, on one server or on both."""
        targets = [target] if target else ["primary", "replica"]
        name = "db_query_duration_seconds_count"
        return sum(self.sample(name, operation=operation, target=each) for each in targets)

    def recovers(self, token: str, seconds: float = 20) -> None:
        """Wait until an order is accepted and every part of the replica is well."""
        wait_until(lambda: self.order(token).status_code == 201, seconds, "An order")
        wait_until(lambda: self.get("/health/ready").status_code == 200, seconds, "Readiness")


def document(answer: TestResponse) -> dict[str, Any]:
    """The answer's JSON object."""
    found = answer.get_json(force=True)
    assert isinstance(found, dict), answer.text
    return found


def new_email() -> str:
    return f"{uuid.uuid4().hex}@example.com"


def rows(url: str, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    """Run a statement in a transaction of its own; its rows, if it has any."""
    with psycopg.connect(url) as connection:
        cursor = connection.execute(query.encode(), values)
        return cursor.fetchall() if cursor.description else []


def value(url: str, query: str, values: Sequence[object] = ()) -> Any:
    """The first column of the first row."""
    return rows(url, query, values)[0][0]
