"""Problem documents: whatever goes wrong is answered in one form, and tells no inside."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, Response, abort, redirect
from werkzeug.test import TestResponse
from werkzeug.wrappers import Response as BaseResponse

from observability.instruments import Instruments
from observability.middleware import REQUEST_ID_KEY
from service.accounts.core import SignUp
from service.api import json_response, parse_body
from service.catalog.routes import CatalogRoutes
from service.catalog.store import CatalogStore
from service.errors import Problem, install_error_handlers
from service.storage.postgres import Unavailable
from tests.unit.service_support import lines_of

Handler = Callable[[], BaseResponse]


def boom() -> BaseResponse:
    raise RuntimeError("the inside of it")


def answer_of(
    handler: Handler, method: str = "GET", instruments: Instruments | None = None, **request: Any
) -> TestResponse:
    """What a customer gets from ``handler``."""
    app = Flask("problems")
    app.config["MAX_CONTENT_LENGTH"] = 1024
    install_error_handlers(app, instruments or Instruments(), 7)
    app.add_url_rule("/", "handler", handler, methods=["GET", "POST"])
    environ = {REQUEST_ID_KEY: "request-1"}
    return app.test_client().open("/", method=method, environ_base=environ, **request)


def problem_of(answer: TestResponse) -> dict[str, Any]:
    assert answer.mimetype == "application/problem+json"
    document: dict[str, Any] = json.loads(answer.data)
    assert document["status"] == answer.status_code
    assert document["request_id"] == "request-1"
    return document


def test_a_problem_has_all_fields_its_extras_and_its_headers() -> None:
    def handler() -> BaseResponse:
        raise Problem(409, "Sold out.", headers={"X-Why": "stock"}, product_ids=[3])

    answer = answer_of(handler)
    assert answer.headers["X-Why"] == "stock"
    assert problem_of(answer) == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "Sold out.",
        "request_id": "request-1",
        "product_ids": [3],
    }


def test_a_store_that_is_away_is_503_with_a_time_to_come_back() -> None:
    def handler() -> BaseResponse:
        raise Unavailable("primary")

    with lines_of("firewatch.errors") as lines:
        answer = answer_of(handler)
    assert answer.headers["Retry-After"] == "7"
    assert problem_of(answer)["title"] == "Service Unavailable"
    assert [line["firewatch.store"] for line in lines.documents] == ["primary"]


def test_an_unexpected_exception_is_counted_and_logged_and_shows_nothing() -> None:
    instruments = Instruments()
    with lines_of("firewatch.errors") as lines:
        answer = answer_of(boom, instruments=instruments)
    assert problem_of(answer)["detail"] == "Something went wrong on our side."
    assert b"inside" not in answer.data
    assert instruments.registry.get_sample_value("unhandled_exceptions_total") == 1
    (line,) = lines.documents
    assert (line["error.type"], line["error.message"]) == ("RuntimeError", "the inside of it")


@pytest.mark.parametrize("status", [400, 403, 404, 413, 415])
def test_the_frameworks_own_errors_take_the_same_form(status: int) -> None:
    assert problem_of(answer_of(lambda: abort(status)))["detail"]


def test_a_wrong_method_says_which_are_right() -> None:
    answer = answer_of(boom, "DELETE")
    assert problem_of(answer)["title"] == "Method Not Allowed"
    assert {"GET", "POST"} <= {name.strip() for name in answer.headers["Allow"].split(",")}


def test_a_redirect_is_no_problem() -> None:
    answer = answer_of(lambda: redirect("/elsewhere"))
    assert (answer.status_code, answer.headers["Location"]) == (302, "/elsewhere")


def sign_up() -> Response:
    return json_response(parse_body(SignUp))


@pytest.mark.parametrize(
    ("status", "request_made"),
    [
        (415, {"data": b"{}", "content_type": "text/plain"}),
        (400, {"data": b"{", "content_type": "application/json"}),
        (400, {"data": b"[" * 1000, "content_type": "application/json"}),
        (413, {"data": b" " * 2000, "content_type": "application/json"}),
        (422, {"json": [1]}),
        (422, {"json": {"email": "x"}}),
    ],
)
def test_a_body_that_cannot_be_used_is_refused(status: int, request_made: dict[str, Any]) -> None:
    assert problem_of(answer_of(sign_up, "POST", **request_made))["status"] == status


def test_each_wrong_field_is_named_and_no_value_is_sent_back() -> None:
    body = {"email": "ann", "password": "hunter2", "address": "1 Hill\x00Road", "admin": True}
    answer = answer_of(sign_up, "POST", json=body)
    errors = problem_of(answer)["errors"]
    assert {error["field"] for error in errors} == {"email", "password", "address", "admin"}
    assert {error["reason"] for error in errors if error["field"] == "address"} == {
        "must have no control characters"
    }
    assert b"hunter2" not in answer.data


class AnyPage(CatalogStore):
    """A catalogue whose every page exists."""

    def __init__(self) -> None:
        """Needs no stores."""

    def page(self, page: int) -> bytes:
        return json.dumps(page).encode()


@pytest.mark.parametrize(
    ("page", "status"),
    [
        ("1", 200),
        ("007", 200),
        ("100000", 200),
        ("0", 400),
        ("100001", 400),
        ("-1", 400),
        ("1.5", 400),
        ("²", 400),
        ("", 400),
        ("0000000019999999999999999999", 400),
        ("0" * 9000, 400),
    ],
)
def test_a_page_is_a_number_in_bounds_or_refused(page: str, status: int) -> None:
    handler = CatalogRoutes(AnyPage()).products
    assert answer_of(handler, query_string={"page": page}).status_code == status
