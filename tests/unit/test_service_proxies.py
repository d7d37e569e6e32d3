"""Forwarding headers: believed from trusted proxies, taken away from everyone else."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from werkzeug.test import create_environ, run_wsgi_app

from service.security.proxies import TrustedProxies

TRUSTED = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]
FORWARDED = {
    "HTTP_X_FORWARDED_FOR": "203.0.113.7",
    "HTTP_X_FORWARDED_PROTO": "https",
    "HTTP_X_FORWARDED_HOST": "evil.example",
}


def seen_by_app(peer: str, **headers: str) -> dict[str, Any]:
    """The environ that the application gets when ``peer`` sends ``headers``."""
    seen: dict[str, Any] = {}

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.update(environ)
        start_response("204 No Content", [])
        return []

    environ = create_environ("/", environ_base={"REMOTE_ADDR": peer}) | headers
    run_wsgi_app(TrustedProxies(app, TRUSTED), environ)
    return seen


@pytest.mark.parametrize("peer", ["10.1.2.3", "fd00::1"])
def test_a_trusted_proxy_is_believed_about_address_and_scheme(peer: str) -> None:
    seen = seen_by_app(peer, **FORWARDED)
    assert seen["REMOTE_ADDR"] == "203.0.113.7"
    assert seen["wsgi.url_scheme"] == "https"


@pytest.mark.parametrize("peer", ["11.0.0.1", "192.0.2.1", "fe80::1", "", "unix:", "10.0.0.1.evil"])
def test_anyone_else_keeps_the_address_that_they_have(peer: str) -> None:
    seen = seen_by_app(peer, **FORWARDED)
    assert seen["REMOTE_ADDR"] == peer
    assert seen["wsgi.url_scheme"] == "http"
    assert not FORWARDED.keys() & seen.keys()


def test_a_customer_behind_the_proxy_cannot_choose_an_address() -> None:
    # nginx appends the address that it saw: only the last one is its own word.
    seen = seen_by_app("10.0.0.1", HTTP_X_FORWARDED_FOR="1.1.1.1, 10.9.9.9, 203.0.113.7")
    assert seen["REMOTE_ADDR"] == "203.0.113.7"


def test_not_even_a_trusted_proxy_changes_the_host() -> None:
    assert seen_by_app("10.0.0.1", **FORWARDED)["HTTP_HOST"] == "localhost"


def test_a_trusted_proxy_that_says_nothing_changes_nothing() -> None:
    assert seen_by_app("10.0.0.1")["REMOTE_ADDR"] == "10.0.0.1"
