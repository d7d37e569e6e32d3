"""The application, wired. Read this file first: everything that a request meets is named here.

A request's way: RequestTelemetry → TrustedProxies → Flask (route noted → Talisman → limits →
handler → error handlers) and back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask, Response, request
from flask_talisman import Talisman

from observability.middleware import ROUTE_KEY, USER_KEY, RequestTelemetry
from observability.telemetry import Telemetry
from service.accounts.activity import Activity
from service.accounts.routes import AccountRoutes
from service.accounts.store import AccountStore
from service.api import Operation, blueprint_of, json_response
from service.catalog.routes import CatalogRoutes
from service.catalog.store import CatalogStore
from service.errors import install_error_handlers
from service.health import Health
from service.jobs.queue import JobQueue
from service.lifecycle import Lifecycle
from service.openapi import openapi_document
from service.orders.routes import OrderRoutes
from service.orders.store import OrderStore
from service.security.limits import Limits, token_or_address
from service.security.proxies import TrustedProxies
from service.settings import Settings
from service.stores import make_cache, make_database, make_personal_data, telemetry_options

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# An API serves no page, so nothing may be loaded or framed.
CONTENT_SECURITY_POLICY = {"default-src": "'none'", "frame-ancestors": "'none'"}


class Service:
    """The WSGI application with its lifecycle. Make it after fork: it starts threads and pools."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.lifecycle = Lifecycle()
        self.telemetry = Telemetry(telemetry_options(settings, "web"))
        self.flask = create_app(settings, self.telemetry, self.lifecycle)
        trusting = TrustedProxies(self.flask.wsgi_app, settings.trusted_networks)
        self._wsgi = RequestTelemetry(trusting, self.telemetry.instruments, self.telemetry.tracer)
        self.lifecycle.on_close("telemetry", self.telemetry.close)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return self._wsgi(environ, start_response)


def create_app(settings: Settings, telemetry: Telemetry, lifecycle: Lifecycle) -> Flask:
    """The Flask application over open stores; ``lifecycle`` closes them."""
    instruments = telemetry.instruments
    database = make_database(settings, instruments, telemetry.tracer)
    cache = make_cache(settings, instruments, telemetry.tracer)
    database.open()
    lifecycle.on_close("database", database.close)
    lifecycle.on_close("cache", cache.close)

    app = Flask("service", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    _note_route(app)
    install_error_handlers(app, instruments, settings.retry_after_seconds)
    talisman = _secure(app, settings)
    limits = Limits(settings, cache, instruments)

    activity = Activity(cache)
    instruments.watch_active_users(activity.count)
    _note_activity(app, activity)
    accounts = AccountStore(database, cache, make_personal_data(settings), settings)
    orders = OrderStore(database, JobQueue().confirm_order)
    limit_attempts = limits.limiter.limit(settings.limit_sign_in, override_defaults=False)
    api = [
        *AccountRoutes(accounts, limits, instruments).operations(limit_attempts),
        *CatalogRoutes(CatalogStore(database, cache, settings)).operations(),
        *OrderRoutes(orders, accounts, instruments).operations(),
    ]
    # Probes come over plain HTTP from inside, straight to the replica.
    probes = Health(lifecycle, database, cache).operations(talisman(force_https=False))
    _serve(app, limits, settings, api, probes)
    return app


def _serve(
    app: Flask,
    limits: Limits,
    settings: Settings,
    api: list[Operation],
    probes: list[Operation],
) -> None:
    api_blueprint = blueprint_of("api", api)
    limit_api = limits.limiter.shared_limit(
        settings.limit_api, scope="api", key_func=token_or_address
    )
    limit_api(api_blueprint)
    app.register_blueprint(api_blueprint)
    app.register_blueprint(blueprint_of("operations", probes))
    limits.init_app(app)
    document = openapi_document([*api, *probes], settings.version)

    @app.get("/openapi.json")
    def openapi() -> Response:
        return json_response(document)


def _note_route(app: Flask) -> None:
    @app.before_request
    def note_route() -> None:
        if request.url_rule is not None:
            request.environ[ROUTE_KEY] = request.url_rule.rule


def _note_activity(app: Flask, activity: Activity) -> None:
    @app.after_request
    def note_activity(response: Response) -> Response:
        account_id = request.environ.get(USER_KEY)
        if account_id is not None:
            activity.note(account_id)
        return response


def _secure(app: Flask, settings: Settings) -> Talisman:
    return Talisman(
        app,
        force_https=settings.force_https,
        force_https_permanent=True,
        strict_transport_security=True,
        content_security_policy=CONTENT_SECURITY_POLICY,
        referrer_policy="no-referrer",
        session_cookie_secure=True,
    )
