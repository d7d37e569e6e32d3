"""What every answer carries: security headers, a request id, and errors as problem documents."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from stack.servers import PostgresPair
from tests.integration.conftest import MakeShop
from tests.integration.shop import Shop, document, rows

PROBLEM = "application/problem+json"
BIG = b'{"email":"' + b"a" * 70_000 + b'"}'


@pytest.mark.parametrize("path", ["/api/products/1", "/api/products/999", "/health", "/nowhere"])
def test_every_answer_forbids_what_an_api_has_no_use_for(path: str, shop: Shop) -> None:
    headers = shop.get(path).headers
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["Strict-Transport-Security"] == "max-age=31556926; includeSubDomains"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "SAMEORIGIN"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Set-Cookie" not in headers
    assert len(headers.getlist("X-Request-ID")) == 1


def test_plain_http_is_sent_to_https_but_probes_answer(shop: Shop) -> None:
    moved = shop.get("/api/products/1", base_url="http://localhost")
    assert moved.status_code == 301
    assert moved.headers["Location"] == "https://localhost/api/products/1"
    assert shop.get("/health", base_url="http://localhost").status_code == 200
    assert shop.get("/health/ready", base_url="http://localhost").status_code == 200


@pytest.mark.parametrize(
    ("status", "method", "path", "more"),
    [
        (404, "GET", "/nowhere", {}),
        (404, "GET", "/api/products/999", {}),
        (400, "GET", "/api/products?page=x", {}),
        (405, "DELETE", "/api/products/1", {}),
        (401, "GET", "/api/me", {}),
        (400, "POST", "/api/sessions", {"data": b"{", "content_type": "application/json"}),
        (415, "POST", "/api/sessions", {"data": b"{}", "content_type": "text/plain"}),
        (422, "POST", "/api/sessions", {"json": {"email": 7}}),
        (413, "POST", "/api/accounts", {"data": BIG, "content_type": "application/json"}),
    ],
)
def test_every_error_is_a_problem_document(
    status: int, method: str, path: str, more: dict[str, Any], shop: Shop
) -> None:
    answer = shop.call(method, path, **more)
    assert (answer.status_code, answer.mimetype) == (status, PROBLEM)
    problem = document(answer)
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == answer.headers["X-Request-ID"]


def test_a_wrong_method_names_the_right_ones(shop: Shop) -> None:
    allowed = shop.call("DELETE", "/api/products/1").headers["Allow"]
    assert "GET" in allowed
    assert "DELETE" not in allowed


def test_a_wrong_field_is_named_and_its_value_is_not_repeated(shop: Shop) -> None:
    refused = shop.sign_up("no address", "my own secret!")
    assert refused.status_code == 422
    assert [each["field"] for each in document(refused)["errors"]] == ["email"]
    assert "secret" not in refused.text


def test_an_error_of_ours_tells_the_customer_nothing_and_the_log_everything(
    make_shop: MakeShop, pair: PostgresPair
) -> None:
    shop = make_shop(replica_url=None)
    rows(pair.primary_url, "ALTER TABLE stock RENAME TO stock_away")
    try:
        failed = shop.get("/api/products/1/stock")
    finally:
        rows(pair.primary_url, "ALTER TABLE stock_away RENAME TO stock")
    assert (failed.status_code, failed.mimetype) == (500, PROBLEM)
    assert document(failed)["detail"] == "Something went wrong on our side."
    assert shop.sample("unhandled_exceptions_total") == 1
    lines = logged(shop)
    (line,) = (each for each in lines if each["message"] == "unhandled exception")
    assert line["error.type"] == "UndefinedTable"
    (access,) = (each for each in lines if each["message"] == "request")
    assert access["http.request.id"] == document(failed)["request_id"]
    assert access["trace.id"] == line["trace.id"]


def test_a_request_id_is_taken_over_only_when_it_looks_like_one(shop: Shop) -> None:
    given = uuid.uuid4().hex
    assert shop.get("/health", headers={"X-Request-ID": given}).headers["X-Request-ID"] == given
    for bad in ("short", "a b c d e f g", "x" * 65, '"},{"forged":"line'):
        assert shop.get("/health", headers={"X-Request-ID": bad}).headers["X-Request-ID"] != bad


def test_no_secret_of_a_customer_is_logged(shop: Shop) -> None:
    token = shop.customer()
    shop.order(token)
    shop.sign_in("nobody@example.com", "a wrong password")
    logged(shop)
    text = Path(shop.settings.log_file or "").read_text()
    assert "correct horse" not in text
    assert "a wrong password" not in text
    assert "@example.com" not in text
    assert token not in text


def logged(shop: Shop) -> list[dict[str, Any]]:
    """All of the shop's log lines. Closes the shop, which writes the last of them."""
    shop.close()
    log = Path(shop.settings.log_file or "")
    return [json.loads(line) for line in log.read_text().splitlines()]
