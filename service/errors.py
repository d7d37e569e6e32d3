"""Errors as RFC 9457 problem documents: one form for all that goes wrong, with the request's id."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus

import orjson
from flask import Flask, Response, current_app, request
from werkzeug.exceptions import HTTPException

from observability.errors import capture
from observability.instruments import Instruments
from observability.middleware import REQUEST_ID_KEY, ROUTE_KEY
from service.storage.postgres import Unavailable

log = logging.getLogger("firewatch.errors")

PROBLEM_JSON = "application/problem+json"


class Problem(Exception):
    """Ends the request with ``status`` and a problem document; ``detail`` is for the customer."""

    def __init__(
        self, status: int, detail: str, *, headers: Mapping[str, str] | None = None, **extra: object
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.extra = extra


def problem_response(problem: Problem) -> Response:
    """The response for ``problem``: type, title, status, detail, request_id, and its extras."""
    document = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "request_id": request.environ.get(REQUEST_ID_KEY, ""),
        **problem.extra,
    }
    response = Response(orjson.dumps(document), problem.status, mimetype=PROBLEM_JSON)
    response.headers.update(problem.headers)
    return response


def install_error_handlers(app: Flask, instruments: Instruments, retry_after_seconds: int) -> None:
    """Answer every error of ``app`` with a problem document; report the unexpected ones."""

    def on_unavailable(error: Unavailable) -> Response:
        log.warning("store unavailable", extra={"firewatch.store": error.target})
        headers = {"Retry-After": str(retry_after_seconds)}
        detail = "This cannot be done right now. Please try again in a moment."
        return problem_response(Problem(503, detail, headers=headers))

    def on_unexpected(error: Exception) -> Response:
        instruments.exceptions.inc()
        log.exception("unhandled exception", extra={"http.route": request.environ.get(ROUTE_KEY)})
        capture(
            error,
            {
                "request_id": request.environ.get(REQUEST_ID_KEY, ""),
                "route": request.environ.get(ROUTE_KEY, ""),
            },
        )
        return problem_response(Problem(500, "Something went wrong on our side."))

    app.register_error_handler(Problem, problem_response)
    app.register_error_handler(HTTPException, _on_http_exception)
    app.register_error_handler(Unavailable, on_unavailable)
    app.register_error_handler(Exception, on_unexpected)


def _on_http_exception(error: HTTPException) -> Response:
    if error.code is None or error.code < 400:  # a redirect is an answer, not a problem
        return current_app.make_response(error.get_response(request.environ))
    headers = dict(error.get_headers(request.environ))
    headers.pop("Content-Type", None)
    headers.pop("Content-Length", None)
    return problem_response(Problem(error.code, error.description or "", headers=headers))
