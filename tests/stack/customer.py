"""A customer of the test stack, as `tests/stack` needs one."""

from __future__ import annotations

import secrets
import ssl
import uuid

import httpx

from tests.stack.live import LiveStack

PASSWORD = "correct horse battery"


def trusting(stack: LiveStack) -> ssl.SSLContext:
    """TLS that trusts the stack's own certificate authority."""
    return ssl.create_default_context(cafile=str(stack.layout.ca))


def some_address() -> dict[str, str]:
    """The header that makes a request come from an address of its own, so that limits stay on."""
    return {"X-Forwarded-For": f"10.{'.'.join(str(1 + secrets.randbelow(254)) for _ in range(3))}"}


def shopper(stack: LiveStack) -> httpx.Client:
    """A client of the edge from an address of its own; close it."""
    return httpx.Client(
        base_url=stack.base_url, verify=trusting(stack), timeout=20, headers=some_address()
    )


def sign_in(shop: httpx.Client) -> dict[str, str]:
    """A new account's Authorization header."""
    who = {"email": f"{uuid.uuid4().hex}@example.com", "password": PASSWORD}
    shop.post("/api/accounts", json={**who, "address": "1 Main St"}).raise_for_status()
    token = shop.post("/api/sessions", json=who).raise_for_status().json()["token"]
    return {"Authorization": f"Bearer {token}"}


def place(
    shop: httpx.Client, who: dict[str, str], key: str, product_id: int = 7, **headers: str
) -> httpx.Response:
    """One piece of the product, ordered under that idempotency key."""
    body = {"items": [{"product_id": product_id, "quantity": 1}]}
    return shop.post("/api/orders", json=body, headers={**who, "Idempotency-Key": key, **headers})
