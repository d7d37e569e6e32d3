"""Customers and products, fetched before the timed window."""

from __future__ import annotations

import secrets
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from loadtest.addresses import HEADER

ADDRESS = "1 Load Street, 10000 Testville"


class SetUpError(Exception):
    """The shop refused what the run needs; the message says what and how it answered."""


@dataclass
class Customer:
    """One who may sign in and order; ``token`` is the newest session's."""

    email: str
    password: str
    token: str = ""


@dataclass(frozen=True)
class Shop:
    """What the users need: who may order, the ids of all products, and the number of pages."""

    customers: tuple[Customer, ...]
    product_ids: tuple[int, ...]
    pages: int


def trust(ca: Path) -> ssl.SSLContext:
    """TLS that trusts the authority in this file.

    Raises:
        SetUpError: when it cannot be read.
    """
    try:
        return ssl.create_default_context(cafile=str(ca))
    except OSError as error:
        raise SetUpError(f"The CA file {ca} cannot be read: {error.strerror or error}.") from None


def open_shop(client: httpx.Client, addresses: Iterator[str], customers: int) -> Shop:
    """Sign up and sign in ``customers``, each from an address of its own, and read the whole
    catalogue, which fills the cache: the shop is found as it is after some minutes, not as it is
    in its first.

    Raises:
        SetUpError: when the shop does not answer as it should.
    """
    run = secrets.token_hex(4)
    signed_in = []
    for number in range(customers):
        customer = Customer(
            f"load-{run}-{number}@firewatch.example", password=secrets.token_urlsafe(16)
        )
        client.headers[HEADER] = next(addresses)
        _sign_in(client, customer)
        signed_in.append(customer)
    product_ids, pages = _catalogue(client, addresses)
    for product_id in product_ids:
        client.headers[HEADER] = next(addresses)
        _ask(client, "GET", f"/api/products/{product_id}", 200)
    return Shop(tuple(signed_in), product_ids, pages)


def _sign_in(client: httpx.Client, customer: Customer) -> None:
    who = {"email": customer.email, "password": customer.password}
    _ask(client, "POST", "/api/accounts", 201, {**who, "address": ADDRESS})
    customer.token = str(_ask(client, "POST", "/api/sessions", 201, who)["token"])


def _catalogue(client: httpx.Client, addresses: Iterator[str]) -> tuple[tuple[int, ...], int]:
    pages, ids = 1, list[int]()
    page = 0
    while page < pages:
        page += 1
        client.headers[HEADER] = next(addresses)
        answer = _ask(client, "GET", f"/api/products?page={page}", 200)
        pages = int(answer["pages"])
        ids += [int(item["id"]) for item in answer["items"]]
    if not ids:
        raise SetUpError("The catalogue is empty: seed it first.")
    return tuple(ids), pages


def _ask(client: httpx.Client, method: str, path: str, expected: int, body: object = None) -> Any:
    try:
        answer = client.request(method, path, json=body)
    except httpx.HTTPError as error:
        raise SetUpError(f"{client.base_url} does not answer: {error}") from None
    if answer.status_code != expected:
        raise SetUpError(
            f"{method} {path} was answered {answer.status_code}, not {expected}: "
            f"{answer.text[:200]}"
        )
    return answer.json()
