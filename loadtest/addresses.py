"""Client addresses: each visit comes from one of its own, named by X-Forwarded-For.

The service limits requests by client address, and real load comes from thousands of them. The
edge believes the header when it comes from this machine; a connection kept alive can so carry
one visitor after another.
"""

from __future__ import annotations

from collections.abc import Iterator

HEADER = "X-Forwarded-For"
HOSTS = range(1, 2**24 - 1)  # 10.0.0.1 … 10.255.255.254
# An odd step that shares no factor with the count: every address is visited before any twice.
STEP = 7_368_787


def addresses(seed: int, start: int = 0, every: int = 1) -> Iterator[str]:
    """Addresses in 10.0.0.0/8, without end; none comes twice within 16 million.

    ``seed`` picks where to begin, so that a second run soon after does not meet its own limits.
    Of one seed, generator ``start`` of ``every`` takes addresses that no other takes.
    """
    at = (seed + start * STEP) % len(HOSTS)
    while True:
        host = HOSTS[at]
        yield f"10.{host >> 16}.{host >> 8 & 255}.{host & 255}"
        at = (at + every * STEP) % len(HOSTS)
