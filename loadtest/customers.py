"""Customers and products, fetched before the timed window."""

from __future__ import annotations

import secrets
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

ADDRESS = "1 Load Street, 10000 Testville"


class SetUpError(Exception):
    """The shop refused what the run needs; the message says what and how it answered."""


@dataclass(frozen=True)
class Shop:
    """What the users need: bearer tokens, product ids by popularity, and the number of pages."""

    tokens: tuple[str, ...]
    product_ids: tuple[int, ...]
    pages: int


def open_shop(
    base_url: str, context: ssl.SSLContext, addresses: Iterator[str], accounts: int
) -> Shop:
    """Sign up and sign in ``accounts`` customers, each from an address of its own, and read the
    catalogue's ids.

    Raises:
        SetUpError: when the shop does not answer as it should.
    """
    run = secrets.token_hex(4)
    tokens = []
    for number in range(accounts):
        with _client(base_url, context, next(addresses)) as client:
            tokens.append(_sign_in(client, f"load-{run}-{number}@firewatch.example"))
    with _client(base_url, context, next(addresses)) as client:
        product_ids, pages = _catalogue(client)
    return Shop(tuple(tokens), product_ids, pages)


def _client(base_url: str, context: ssl.SSLContext, address: str) -> httpx.Client:
    transport = httpx.HTTPTransport(verify=context, local_address=address)
    return httpx.Client(base_url=base_url, transport=transport, timeout=10)


def _sign_in(client: httpx.Client, email: str) -> str:
    password = secrets.token_urlsafe(16)
    account = {"email": email, "password": password, "address": ADDRESS}
    _ask(client, "POST", "/api/accounts", 201, account)
    session = _ask(client, "POST", "/api/sessions", 201, {"email": email, "password": password})
    return str(session["token"])


def _catalogue(client: httpx.Client) -> tuple[tuple[int, ...], int]:
    first = _ask(client, "GET", "/api/products?page=1", 200)
    pages = int(first["pages"])
    rest = [_ask(client, "GET", f"/api/products?page={page}", 200) for page in range(2, pages + 1)]
    ids = tuple(int(item["id"]) for page in (first, *rest) for item in page["items"])
    if not ids:
        raise SetUpError("The catalogue is empty: seed it first.")
    return ids, pages


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
