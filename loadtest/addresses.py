"""Client addresses: every connection of a user comes from a loopback address of its own.

The service limits requests by client address. Real load comes from thousands of them; binding
the socket gives nginx true addresses to see, without a header that it would have to trust.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any

import gevent.socket
from geventhttpclient.client import HTTPClient, HTTPClientPool
from geventhttpclient.url import URL

LOOPBACK_HOSTS = range(2, 2**24 - 1)  # 127.0.0.2 … 127.255.255.254


def addresses(seed: int) -> Iterator[str]:
    """Addresses in 127.0.0.0/8, without end; none comes twice within 16 million.

    ``seed`` picks where to begin, so that a second run soon after does not meet its own limits.
    """
    # Steps by an odd prime that does not divide the count visit every address before any twice.
    at = seed % len(LOOPBACK_HOSTS)
    while True:
        host = LOOPBACK_HOSTS[at]
        yield f"127.{host >> 16}.{host >> 8 & 255}.{host & 255}"
        at = (at + 7_368_787) % len(LOOPBACK_HOSTS)


class BoundClientPool(HTTPClientPool):
    """geventhttpclient's pool, its one connection bound to ``address``.

    TLS is checked by ``context``, which is shared: loading the CA for each user would cost more
    than the load.
    """

    def __init__(self, address: str, context: ssl.SSLContext, timeout_seconds: float) -> None:
        super().__init__(
            concurrency=1,
            connection_timeout=timeout_seconds,
            network_timeout=timeout_seconds,
            ssl_context_factory=lambda cafile=None: context,
            disable_ipv6=True,
        )
        self.address = address

    def get_client(self, url: str | URL) -> HTTPClient:
        fresh = not self.clients
        client = super().get_client(url)
        if fresh:
            # The library has a hook for making the socket, but no setting for its address.
            client._connection_pool._create_tcp_socket = self._bound_socket  # type: ignore[method-assign, assignment]
        return client

    def move(self, address: str) -> None:
        """Close the connection; the next comes from ``address``."""
        self.close()
        self.address = address

    def _bound_socket(self, *kind: Any) -> gevent.socket.socket:
        connection = gevent.socket.socket(*kind)
        connection.bind((self.address, 0))
        return connection
