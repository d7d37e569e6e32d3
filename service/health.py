"""Alive, apart from able to serve. Both are asked by machines, each few seconds.

``/health`` says only that this process answers. ``/health/ready`` checks each part, and answers 503
naming those that are not well. A load balancer asks ``/health/ready?degraded=allowed``: with the
cache or the primary away a replica still serves the catalogue, and taking every replica out of
rotation for that would turn "slower" into "down".
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Response, request

from service.api import Operation, Parameter, json_response
from service.body import Body
from service.lifecycle import Lifecycle
from service.storage.cache import Cache, CacheAway
from service.storage.postgres import Database, Unavailable
from service.storage.schema import required_revision

OK = "ok"
# Without these a replica can serve nobody.
ESSENTIAL = ("lifecycle", "schema")
DEGRADED = Parameter("degraded", "query", {"type": "string", "enum": ["allowed"]}, required=False)


class Alive(Body):
    """The process answers."""

    status: str


class Readiness(Body):
    """``ready`` as judged for this question, and each part's state: "ok", or what is wrong."""

    ready: bool
    parts: dict[str, str]


class Health:
    """The checks and their handlers."""

    def __init__(self, lifecycle: Lifecycle, database: Database, cache: Cache) -> None:
        self._lifecycle = lifecycle
        self._database = database
        self._cache = cache
        self._needed = required_revision()
        self._schema_seen_current = False
        self._checks: dict[str, Callable[[], str]] = {
            "lifecycle": self._check_lifecycle,
            "primary": self._check_primary,
            "schema": self._check_schema,
            "cache": self._check_cache,
        }

    def operations(self, plain_http: Callable[..., Callable[..., Response]]) -> list[Operation]:
        """The probes; ``plain_http`` exempts a handler from the redirect to HTTPS."""
        return [
            Operation(
                "GET",
                "/health",
                "health",
                "Whether the process answers.",
                plain_http(lambda: self.alive()),
                {200: ("Alive", Alive)},
                tag="operations",
            ),
            Operation(
                "GET",
                "/health/ready",
                "ready",
                "Whether this replica can serve, and which part cannot.",
                plain_http(lambda: self.ready()),
                {200: ("Ready", Readiness), 503: ("Not ready", Readiness)},
                parameters=(DEGRADED,),
                tag="operations",
            ),
        ]

    def alive(self) -> Response:
        return json_response(Alive(status=OK))

    def ready(self) -> Response:
        parts = {name: check() for name, check in self._checks.items()}
        lenient = request.args.get("degraded") == "allowed"
        asked = ESSENTIAL if lenient else tuple(parts)
        ready = all(parts[name] == OK for name in asked)
        return json_response(Readiness(ready=ready, parts=parts), 200 if ready else 503)

    def _check_lifecycle(self) -> str:
        return "draining" if self._lifecycle.draining else OK

    def _check_primary(self) -> str:
        try:
            self._database.primary.use(lambda session: session.row("ping", "SELECT 1"))
        except Unavailable:
            return "unreachable"
        return OK

    def _check_schema(self) -> str:
        # Once current, always current: migrations only go forward. So it need not be asked again,
        # and a primary that is away later does not make it unknown.
        if not self._schema_seen_current:
            applied = self._applied_revision()
            if applied < self._needed:
                return f"at {applied or 'nothing'}, needs {self._needed}"
            self._schema_seen_current = True
        return OK

    def _applied_revision(self) -> str:
        try:
            row = self._database.read(
                lambda session: session.row(
                    "schema_version",
                    "SELECT to_regclass('alembic_version') IS NOT NULL AS there",
                )
            )
            if not row or not row["there"]:
                return ""
            row = self._database.read(
                lambda session: session.row(
                    "schema_version", "SELECT max(version_num) AS version FROM alembic_version"
                )
            )
        except Unavailable:
            return ""
        return str(row["version"] or "") if row else ""

    def _check_cache(self) -> str:
        try:
            self._cache.call("ping", lambda redis: redis.ping())
        except CacheAway:
            return "unreachable"
        return OK
