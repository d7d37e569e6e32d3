"""Errors: problem documents (RFC 9457) for programs, a page for people."""

from __future__ import annotations

import json
from http import HTTPStatus

from flask import Flask, Response, current_app, make_response, render_template, request
from werkzeug.exceptions import HTTPException

FOR_PROGRAMS = ("/alertmanager", "/api/", "/health", "/metrics")


def problem(status: int, detail: str) -> Response:
    """A problem document with one sentence that says what is wrong."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    text = json.dumps(body | {"detail": detail})
    return Response(text, status, content_type="application/problem+json")


def error_page(status: int, detail: str) -> Response:
    """The same for people."""
    title = HTTPStatus(status).phrase
    return make_response(render_template("error.html", title=title, detail=detail), status)


def register(app: Flask) -> None:
    """Answer all errors of ``app`` in the one form or the other, by address."""
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _failure)


def _http_error(error: HTTPException) -> Response:
    answer = _answer(error.code or 500, error.description or "")
    for name, value in error.get_headers():
        if name != "Content-Type":  # such as Allow
            answer.headers[name] = value
    return answer


def _failure(error: Exception) -> Response:
    current_app.logger.error("request failed", exc_info=error)
    return _answer(500, "The desk failed to answer; its log says why.")


def _answer(status: int, detail: str) -> Response:
    for_program = request.path.startswith(FOR_PROGRAMS)
    return problem(status, detail) if for_program else error_page(status, detail)
