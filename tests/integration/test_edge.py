"""nginx before two replicas: TLS, request ids, its log, and what happens when a replica dies."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from stack.processes import wait_until
from stack.servers import PostgresPair
from tests.integration.conftest import stopped
from tests.integration.edge import Edge, RudeReplica, running_edge
from tests.integration.shop import HOME, PASSWORD, new_email, value


@pytest.fixture(scope="module")
def shared_edge(folder: Path, base_settings: dict[str, Any]) -> Iterator[Edge]:
    with running_edge(folder / "edge", base_settings) as made:
        yield made


@pytest.fixture
def edge(shared_edge: Edge, clean: None) -> Edge:
    return shared_edge


@pytest.fixture
def customer(edge: Edge) -> Iterator[httpx.Client]:
    with edge.client() as client:
        yield client


def sign_up(customer: httpx.Client) -> httpx.Response:
    body = {"email": new_email(), "password": PASSWORD, "address": HOME}
    return customer.post("/api/accounts", json=body)


def token_of(customer: httpx.Client) -> str:
    who = {"email": new_email(), "password": PASSWORD}
    assert customer.post("/api/accounts", json={**who, "address": HOME}).status_code == 201
    return str(customer.post("/api/sessions", json=who).json()["token"])


def order(customer: httpx.Client, token: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": uuid.uuid4().hex}
    body = {"items": [{"product_id": 1, "quantity": 1}]}
    return customer.post("/api/orders", json=body, headers=headers)


def line_of(edge: Edge, answer: httpx.Response) -> dict[str, Any]:
    """nginx's line for that answer."""
    request_id = answer.headers["X-Request-ID"]
    wait_until(lambda: bool(edge.lines(request_id)), 5, "The line")
    (line,) = edge.lines(request_id)
    return line


def test_a_customer_speaks_http_2_over_tls_1_3_with_a_certificate_that_holds(edge: Edge) -> None:
    with edge.client(http2=True) as customer:
        answer = customer.get("/api/products/1")
        stream = answer.extensions["network_stream"]
        tls = stream.get_extra_info("ssl_object")
        assert (answer.status_code, answer.http_version) == (200, "HTTP/2")
        assert tls.version() == "TLSv1.3"
        assert line_of(edge, answer)["network.protocol"] == "HTTP/2.0"


def test_plain_http_is_sent_to_https(edge: Edge) -> None:
    moved = httpx.post(f"http://{edge.layout.address('edge-http')}/api/orders?a=b")
    assert moved.status_code == 308
    https = f"https://127.0.0.1:{edge.layout.port('edge-https')}/api/orders?a=b"
    assert moved.headers["Location"] == https


def test_a_request_has_one_id_made_at_the_edge_in_the_answer_and_in_both_logs(
    edge: Edge, customer: httpx.Client
) -> None:
    mine = uuid.uuid4().hex
    answer = customer.get("/api/products/1", headers={"X-Request-ID": mine})
    (request_id,) = answer.headers.get_list("X-Request-ID")
    assert request_id != mine
    assert line_of(edge, answer)["http.response.status_code"] == 200
    logs = list(edge.layout.logs.glob("web-blue-?.jsonl"))
    wait_until(lambda: any(request_id in log.read_text() for log in logs), 5, "The replica's line")


def test_each_line_of_the_access_log_is_json_whatever_a_customer_sends(
    edge: Edge, customer: httpx.Client
) -> None:
    agent = 'curl "quoted" \\ \t{"forged": 1}'
    answer = customer.get('/nowhere/%22%0a%7b"', headers={"User-Agent": agent})
    line = line_of(edge, answer)
    assert line["user_agent.original"] == agent
    assert line["http.response.status_code"] == answer.status_code == 404
    assert line["client.ip"] == "127.0.0.1"
    assert line["firewatch.upstream.status"] == "404"
    assert line["firewatch.request.seconds"] >= 0
    assert datetime.fromisoformat(line["@timestamp"]).tzinfo is not None


def test_metrics_are_not_for_the_public(customer: httpx.Client) -> None:
    assert customer.get("/metrics").status_code == 404


def test_a_killed_replica_fails_no_idempotent_request(edge: Edge, customer: httpx.Client) -> None:
    victim = edge.replicas[0]
    victim.kill()
    try:
        assert [customer.get("/api/products/1").status_code for _ in range(20)] == [200] * 20
    finally:
        victim.start()


def test_a_read_that_died_with_its_replica_is_asked_of_the_other(
    edge: Edge, customer: httpx.Client
) -> None:
    with stopped(edge.replicas[0]), rude(edge) as replica:
        answers = [customer.get("/api/products/1") for _ in range(4)]
        assert {each.status_code for each in answers} == {200}
        assert replica.requests == ["GET /api/products/1"] * len(replica.requests)
        tried = [line_of(edge, each)["firewatch.upstream.status"] for each in answers]
        assert tried.count("502, 200") == len(replica.requests) >= 1


def test_a_sign_up_that_died_with_its_replica_is_not_made_twice(
    edge: Edge, customer: httpx.Client, pair: PostgresPair
) -> None:
    with stopped(edge.replicas[0]), rude(edge) as replica:
        answers = [sign_up(customer) for _ in range(4)]
        lost = [each for each in answers if each.status_code == 503]
        assert len(lost) == len(replica.requests) >= 1
        assert {each.status_code for each in answers} == {201, 503}
        for each in lost:
            assert each.headers["Content-Type"] == "application/problem+json"
            assert each.headers["Retry-After"] == "5"
            assert line_of(edge, each)["firewatch.upstream.status"] == "502"
    accounts = value(pair.primary_url, "SELECT count(*) FROM accounts")
    assert accounts == len(answers) - len(lost)


def test_an_order_that_died_with_its_replica_is_placed_once_by_the_other(
    edge: Edge, customer: httpx.Client, pair: PostgresPair
) -> None:
    token = token_of(customer)
    with stopped(edge.replicas[0]), rude(edge) as replica:
        assert {order(customer, token).status_code for _ in range(4)} == {201}
        assert "POST /api/orders" in replica.requests
    assert value(pair.primary_url, "SELECT count(*) FROM orders") == 4


def test_with_no_replica_left_the_edge_says_when_to_come_back(
    edge: Edge, customer: httpx.Client
) -> None:
    with stopped(*edge.replicas):
        answer = customer.get("/api/products/1")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert json.loads(answer.text)["status"] == 503
        assert len(answer.headers.get_list("X-Request-ID")) == 1
    wait_until(lambda: customer.get("/api/products/1").status_code == 200, 10, "The edge")


def rude(edge: Edge) -> RudeReplica:
    """In the place of the first replica."""
    return RudeReplica(edge.layout.port("web-blue-1"))
