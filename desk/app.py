"""The desk's application: read this first. ``create_app`` wires all parts; nothing is global."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response
from flask_talisman import Talisman

from desk import core, problems, routes, webhook
from desk.board import Board
from desk.episodes import WATCHDOG
from desk.metrics import DeskMetrics
from desk.runbooks import Runbooks
from desk.settings import Settings
from desk.store import Store

_ONLY_OWN_CONTENT = {
    "default-src": "'none'",
    "style-src": "'self'",
    "script-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}


def create_app(
    settings: Settings, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Flask:
    """Build the desk. ``clock`` gives the time in UTC.

    Raises:
        StoreError: the database cannot be used.
    """
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    store = Store(settings.db, keep_days=settings.keep_days, keep_alerts=settings.keep_alerts)
    board = Board(settings, store, Runbooks(settings.runbooks_dir), clock, clock())
    app.extensions["desk"] = board
    app.extensions["desk-token"] = settings.bearer_token
    app.extensions["desk-metrics"] = DeskMetrics(store, board.watchdog)
    app.register_blueprint(webhook.blueprint)
    app.register_blueprint(routes.blueprint)
    problems.register(app)
    _protect(app)
    _help_templates(app, board)
    return app


def _protect(app: Flask) -> None:
    # TLS is the edge's business; the desk is reached on the loopback address or through a tunnel.
    Talisman(
        app,
        force_https=False,
        strict_transport_security=False,
        session_cookie_secure=False,
        content_security_policy=_ONLY_OWN_CONTENT,
        frame_options="DENY",
        referrer_policy="no-referrer",
    )
    app.after_request(_never_cached)


def _never_cached(response: Response) -> Response:
    # Yesterday's page shown as today's would be worse than none.
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def _help_templates(app: Flask, board: Board) -> None:
    app.add_template_filter(core.duration, "duration")
    app.add_template_filter(lambda moment: moment.strftime("%Y-%m-%d %H:%M:%S UTC"), "utc")

    @app.context_processor
    def _every_page() -> dict[str, Any]:
        # The switch stands on top of every page, error pages too.
        return {
            "watchdog": board.watchdog(),
            "deadman_seconds": board.settings.deadman_seconds,
            "explained": board.runbooks.has(WATCHDOG),
            "now": board.clock(),
        }
