"""The whole application with its stores away: routes and document agree, and it closes in order."""

from __future__ import annotations

import json
import logging
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from werkzeug.test import Client, TestResponse

from observability.telemetry import Telemetry
from service.app import Service
from service.storage.cache import Cache
from service.storage.postgres import Database
from stack.processes import free_ports
from tests.unit.service_support import settings

SIGNED_IN = {"Authorization": "Bearer none"}
ACCOUNT = {"email": "ann@shop.example", "password": "long-enough-1", "address": "1 Hill Road"}
ORDER = {"items": [{"product_id": 1, "quantity": 1}]}
ORDER_ID = "0b0e8f3e-6f0b-4d55-9d5c-0d3f1c3f4a55"
# (method, path, its name in the document, what is sent)
REQUESTS: list[tuple[str, str, str, dict[str, Any]]] = [
    ("post", "/api/accounts", "/api/accounts", {"json": ACCOUNT}),
    ("post", "/api/accounts", "/api/accounts", {"json": {}}),
    ("post", "/api/accounts", "/api/accounts", {"data": b"x"}),
    ("post", "/api/sessions", "/api/sessions", {"json": {"email": "a", "password": "b"}}),
    ("delete", "/api/sessions", "/api/sessions", {}),
    ("delete", "/api/sessions", "/api/sessions", {"headers": SIGNED_IN}),
    ("get", "/api/me", "/api/me", {}),
    ("get", "/api/me", "/api/me", {"headers": SIGNED_IN}),
    ("get", "/api/products", "/api/products", {}),
    ("get", "/api/products?page=x", "/api/products", {}),
    ("get", "/api/products/1", "/api/products/{product_id}", {}),
    ("get", "/api/products/1/stock", "/api/products/{product_id}/stock", {}),
    ("post", "/api/orders", "/api/orders", {"json": ORDER}),
    ("post", "/api/orders", "/api/orders", {"json": ORDER, "headers": SIGNED_IN}),
    ("get", f"/api/orders/{ORDER_ID}", "/api/orders/{order_id}", {"headers": SIGNED_IN}),
    ("get", "/health", "/health", {}),
    ("get", "/health/ready", "/health/ready", {}),
]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = start(tmp_path_factory.mktemp("service") / "service.log")
    yield service
    service.lifecycle.close()


def start(log_file: Path) -> Service:
    (port,) = free_ports(1)
    return Service(
        settings(
            log_file=str(log_file),
            metrics_bind=f"127.0.0.1:{port}",
            pool_timeout_seconds=0.02,
            limits_enabled=False,
        )
    )


def ask(service: Service, method: str, path: str, **request: Any) -> TestResponse:
    return Client(service).open(
        path, base_url="https://shop.example", method=method, buffered=True, **request
    )


def document_of(service: Service) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(ask(service, "get", "/openapi.json").data)
    return document


def test_each_route_that_is_served_is_documented_and_no_other(service: Service) -> None:
    served = {
        (re.sub(r"<(?:.*?:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in service.flask.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    documented = {
        (path, method) for path, item in document_of(service)["paths"].items() for method in item
    }
    assert served == documented | {("/openapi.json", "get")}  # the document itself


def test_each_variable_of_a_path_is_a_documented_parameter(service: Service) -> None:
    for path, item in document_of(service)["paths"].items():
        for operation in item.values():
            parameters = operation.get("parameters", [])
            named = {p["name"] for p in parameters if p["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path)), path


def test_the_document_is_valid_openapi(service: Service) -> None:
    schemathesis.openapi.from_dict(document_of(service)).validate()


@pytest.mark.parametrize(("method", "path", "name", "request_made"), REQUESTS)
def test_with_the_stores_away_every_answer_is_a_documented_one(
    service: Service, method: str, path: str, name: str, request_made: dict[str, Any]
) -> None:
    answer = ask(service, method, path, **request_made)
    documented = document_of(service)["paths"][name][method]["responses"]
    assert answer.status_code != 500
    assert answer.mimetype in documented[str(answer.status_code)].get("content", {"": None})
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-ID"])


def test_the_requests_above_try_every_operation(service: Service) -> None:
    paths = document_of(service)["paths"]
    tried = {(name, method) for method, _, name, _ in REQUESTS}
    assert tried == {(path, method) for path, item in paths.items() for method in item}


def test_readiness_names_what_is_away_and_liveness_does_not_care(service: Service) -> None:
    ready = json.loads(ask(service, "get", "/health/ready").data)
    assert ready["ready"] is False
    assert (ready["parts"]["primary"], ready["parts"]["cache"]) == ("unreachable", "unreachable")
    assert ready["parts"]["lifecycle"] == "ok"
    assert ask(service, "get", "/health").status_code == 200


def test_plain_http_is_sent_to_https_but_for_probes(service: Service) -> None:
    client = Client(service)
    moved = client.get("/api/products", buffered=True)
    assert (moved.status_code, moved.headers["Location"]) == (
        301,
        "https://localhost/api/products",
    )
    assert client.get("/health", buffered=True).status_code == 200


def test_every_answer_forbids_what_an_api_does_not_need(service: Service) -> None:
    headers = ask(service, "get", "/no/such/page").headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "max-age=" in headers["Strict-Transport-Security"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_end_comes_in_order_and_leaves_nothing_open(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    closed: list[str] = []
    for kind in (Database, Cache, Telemetry):
        close = kind.close

        def note(self: Any, kind: type = kind, close: Any = close) -> None:
            closed.append(kind.__name__)
            close(self)

        monkeypatch.setattr(kind, "close", note)
    service = start(tmp_path / "service.log")
    service.lifecycle.start_drain()
    service.lifecycle.close()
    service.lifecycle.close()  # once only
    assert closed == ["Database", "Cache", "Telemetry"]
    last = json.loads((tmp_path / "service.log").read_text().splitlines()[-1])
    assert last["message"] == "telemetry closed"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(service.settings.metrics_address, timeout=1)
    assert not any(type(h).__name__ == "BackgroundHandler" for h in logging.getLogger().handlers)
