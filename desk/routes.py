"""The pages for people, the same as JSON, and the desk's own health and metrics."""

from __future__ import annotations

import sqlite3
from typing import Any

from flask import Blueprint, Response, abort, current_app, render_template, request
from prometheus_client.exposition import choose_encoder

from desk import core
from desk.board import Board, page_as_json, watchdog_as_json
from desk.metrics import DeskMetrics
from desk.problems import problem
from desk.runbooks import INDEX

blueprint = Blueprint("desk", __name__)


def _board() -> Board:
    board: Board = current_app.extensions["desk"]
    return board


@blueprint.get("/")
def index() -> str:
    """What pages now, what did, and whether the pager itself is alive."""
    board = _board()
    current, history = board.current(), board.history()
    wanted = {"q": request.args.get("q", "").strip(), "severity": _severity()}
    shown = [
        [page for page in pages if core.matches(page, wanted["q"], wanted["severity"])]
        for pages in (current, history)
    ]
    return render_template(
        "board.html",
        current=shown[0],
        history=shown[1],
        hidden=len(current) - len(shown[0]),
        filtered=any(wanted.values()),
        wanted=wanted,
        firing=[page.severity for page in current],
        refresh=board.settings.refresh_seconds if request.args.get("refresh") != "off" else None,
    )


@blueprint.get("/alerts/<fingerprint>")
def alert(fingerprint: str) -> str:
    """All episodes of one alert and the notifications received about each."""
    board = _board()
    pages = board.episodes(fingerprint)
    if not pages:
        abort(404, f"The desk knows no alert with the fingerprint {fingerprint}.")
    told = [(page, board.store.deliveries(page.episode.id)) for page in pages]
    return render_template("alert.html", latest=pages[0], told=told)


@blueprint.get("/runbooks/")
def runbooks() -> str:
    """The index of runbooks."""
    books = _board().runbooks
    return render_template("runbooks.html", names=books.names(), index=books.render(INDEX))


@blueprint.get("/runbooks/<path:name>")
def runbook(name: str) -> str:
    """One runbook, and whether its alert fires now."""
    rendered = _board().runbooks.render(name)
    if rendered is None:
        abort(404, f"There is no runbook named {name}.")
    firing = [page for page in _board().current() if page.episode.name == name]
    return render_template("runbook.html", page=rendered, firing=firing)


@blueprint.get("/api/pages")
def pages() -> dict[str, Any]:
    """The board as JSON: ``current``, ``history`` and ``watchdog``."""
    board = _board()
    return {
        "generated_at": board.clock().isoformat(),
        "current": [page_as_json(page) for page in board.current()],
        "history": [page_as_json(page) for page in board.history()],
        "watchdog": watchdog_as_json(board.watchdog(), board.settings.deadman_seconds),
    }


@blueprint.get("/health")
def health() -> Response | dict[str, str]:
    """200 when a page could be kept now, else 503."""
    try:
        _board().store.check_writable()
    except sqlite3.Error as error:
        return problem(503, f"The desk's database cannot be written to: {error}.")
    return {"status": "ok"}


@blueprint.get("/metrics")
def metrics() -> Response:
    """The desk's own metrics."""
    own: DeskMetrics = current_app.extensions["desk-metrics"]
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return Response(encode(own.registry), content_type=content_type)


def _severity() -> str:
    severity = request.args.get("severity", "")
    return severity if severity in core.SEVERITIES else ""
