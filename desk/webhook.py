"""POST /alertmanager: where Alertmanager delivers."""

from __future__ import annotations

import hmac
import sqlite3

from flask import Blueprint, Response, current_app, request
from pydantic import ValidationError

from desk.board import Board
from desk.metrics import DeskMetrics
from desk.payload import Notification
from desk.problems import problem

blueprint = Blueprint("webhook", __name__)


@blueprint.post("/alertmanager")
def receive() -> Response:
    """Keep one notification: 204 once it is on the disk, 4xx when it is wrong, 503 to be retried.

    Alertmanager retries 5xx answers and gives up on 4xx, so what may mend itself is never a 4xx.
    """
    refusal = _refusal()
    if refusal:
        _count("refused")
        return refusal
    try:
        notification = Notification.model_validate_json(request.get_data())
    except ValidationError as error:
        _count("refused")
        current_app.logger.warning("notification refused: %s", _first(error))
        return problem(422, f"This is no Alertmanager notification: {_first(error)}.")
    return _keep(notification)


def _refusal() -> Response | None:
    token = current_app.extensions["desk-token"]
    given = request.headers.get("Authorization", "")
    if token and not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        answer = problem(401, "The webhook needs the bearer token of FIREWATCH_DESK_TOKEN.")
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer
    # A foreign web page can post forms and plain text without asking, but not JSON.
    if not request.is_json:
        return problem(415, "The webhook takes application/json.")
    return None


def _keep(notification: Notification) -> Response:
    board: Board = current_app.extensions["desk"]
    try:
        board.store.record(notification, board.clock())
    except sqlite3.Error:
        _count("failed")
        current_app.logger.exception("notification not kept")
        answer = problem(503, "The notification could not be kept; send it again.")
        answer.headers["Retry-After"] = "5"
        return answer
    _count(notification.status)
    return Response(status=204)


def _count(status: str) -> None:
    metrics: DeskMetrics = current_app.extensions["desk-metrics"]
    metrics.notifications.labels(status).inc()


def _first(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    reason = first["msg"].removeprefix("Value error, ")
    return f"{where}: {reason}" if where else reason
