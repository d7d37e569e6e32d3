"""The main job, as a customer and an operator see it, through nginx with TLS."""

from __future__ import annotations

import mailbox
import uuid

import httpx

from stack.processes import wait_until
from tests.stack.customer import place, sign_in
from tests.stack.live import LiveStack


def test_all_is_well_and_every_target_is_up(stack: LiveStack) -> None:
    assert stack.problems() == []


def test_bringing_up_again_changes_no_process(stack: LiveStack) -> None:
    before = {name: info["pid"] for name, info in stack.supervisor.states().items()}
    stack.up()
    after = {name: info["pid"] for name, info in stack.supervisor.states().items()}
    assert before == after


def test_an_order_is_confirmed_by_mail_and_traced_from_edge_to_job(
    stack: LiveStack, shop: httpx.Client
) -> None:
    who = sign_in(shop)
    trace_id = uuid.uuid4().hex
    parent = f"00-{trace_id}-00f067aa0ba902b7-01"
    placed = place(shop, who, uuid.uuid4().hex, traceparent=parent)
    assert placed.status_code == 201, placed.text
    order = placed.json()
    assert shop.get(f"/api/orders/{order['id']}", headers=who).json() == order

    box = mailbox.Maildir(stack.layout.state / "mail" / "box")
    arrived = lambda: any(order["id"] in str(mail["Subject"]) for mail in box)
    wait_until(arrived, 20, "The confirmation")
    worker_log = stack.layout.logs / "worker.jsonl"
    wait_until(lambda: trace_id in worker_log.read_text(), 10, "The worker's line")
    web_logs = list(stack.layout.logs.glob("web-blue-?.jsonl"))
    wait_until(lambda: any(trace_id in log.read_text() for log in web_logs), 10, "The order's line")
    wait_until(lambda: trace_id in exemplars(stack), 10, "The exemplar")


def exemplars(stack: LiveStack) -> str:
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    addresses = [stack.layout.address(f"web-blue-{n}-metrics") for n in (1, 2)]
    return "".join(httpx.get(f"http://{a}/metrics", headers=accept).text for a in addresses)


def test_the_same_key_answers_with_the_same_order(stack: LiveStack, shop: httpx.Client) -> None:
    who, key = sign_in(shop), uuid.uuid4().hex
    first, second = place(shop, who, key), place(shop, who, key)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
