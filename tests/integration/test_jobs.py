"""Confirmations: sent by a worker process to a mail server, whatever becomes of either."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from stack.processes import wait_until
from stack.servers import PostgresPair
from tests.integration.conftest import MakeShop
from tests.integration.post import Post, Worker
from tests.integration.shop import Shop, document, new_email, rows, value

ORDERS = 20
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
JOB = "SELECT status::text, attempts FROM procrastinate_jobs WHERE queue_name = 'orders'"
DUE = "SELECT scheduled_at FROM procrastinate_jobs WHERE queue_name = 'orders'"
IN_HAND = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing' AND queue_name = 'orders'"


@pytest.fixture
def post() -> Iterator[Post]:
    made = Post()
    yield made
    made.stop()


@pytest.fixture
def make_worker(
    clean: None, defaults: dict[str, Any], post: Post, tmp_path: Path
) -> Iterator[Callable[..., Worker]]:
    """Starts workers; settings given by name differ from the defaults."""
    made: list[Worker] = []
    quick = {"job_heartbeat_seconds": 0.5, "job_stalled_seconds": 1.5, "smtp_url": post.url}

    def make(**settings: Any) -> Worker:
        made.append(Worker({**defaults, **quick, **settings}, tmp_path))
        made[-1].process.start()
        return made[-1]

    yield make
    for worker in made:
        worker.process.stop()


def confirmed(pair: PostgresPair) -> int:
    return int(value(pair.primary_url, "SELECT count(*) FROM confirmations"))


def test_the_customer_gets_a_mail_for_the_order(
    shop: Shop, post: Post, pair: PostgresPair, make_worker: Callable[..., Worker]
) -> None:
    post.start()
    worker = make_worker()
    email = new_email()
    shop.sign_up(email)
    token = document(shop.sign_in(email))["token"]
    order = document(shop.order(token, 1, 2))
    wait_until(lambda: confirmed(pair) == 1, 20, "The confirmation")
    ((recipients, text),) = post.mails
    assert recipients == [email]
    assert f"Subject: Your order {order['id']}" in text
    assert f"{order['total_cents'] / 100:.2f} EUR" in text
    wait_until(lambda: worker.count("succeeded") == 1, 5, "The count")


def test_the_worker_goes_on_with_the_trace_of_the_request(
    shop: Shop, post: Post, make_worker: Callable[..., Worker]
) -> None:
    post.start()
    worker = make_worker()
    token = shop.customer()
    parent = {"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"}
    order = document(shop.order(token, headers=parent))
    wait_until(lambda: bool(worker.lines("job")), 20, "The worker's line")
    (line,) = worker.lines("job")
    assert line["trace.id"] == TRACE_ID
    assert line["firewatch.order.id"] == order["id"]
    assert line["firewatch.job.result"] == "succeeded"


def test_a_mail_server_that_is_down_is_tried_again_until_it_is_back(
    shop: Shop, post: Post, pair: PostgresPair, make_worker: Callable[..., Worker]
) -> None:
    worker = make_worker()
    shop.order(shop.customer())
    wait_until(lambda: waits(pair, 1), 20, "The first attempt")
    assert worker.count("retried") == 1
    post.start()
    wait_until(lambda: confirmed(pair) == 1, 20, "The confirmation")
    assert len(post.mails) == 1
    assert worker.count("abandoned") == 0


def waits(pair: PostgresPair, attempts: int) -> bool:
    """Whether the job has failed so often, and is to be tried again."""
    return rows(pair.primary_url, JOB) == [("todo", attempts)]


def pause_seconds(worker: Worker, pair: PostgresPair, attempt: int) -> float:
    """From the failure of the attempt to the moment at which the next one is due."""
    wait_until(lambda: waits(pair, attempt), 20, f"Attempt {attempt}")
    wait_until(lambda: len(worker.lines("job failed")) == attempt, 5, "Its line")
    due: datetime = value(pair.primary_url, DUE)
    return (
        due - datetime.fromisoformat(worker.lines("job failed")[-1]["@timestamp"])
    ).total_seconds()


def test_after_its_last_attempt_a_job_is_given_up_and_counted(
    shop: Shop, pair: PostgresPair, make_worker: Callable[..., Worker]
) -> None:
    worker = make_worker(job_max_attempts=3)
    shop.order(shop.customer())
    assert pause_seconds(worker, pair, 1) == pytest.approx(2, abs=0.5)
    assert pause_seconds(worker, pair, 2) == pytest.approx(4, abs=0.5)
    wait_until(lambda: worker.count("abandoned") == 1, 20, "The last attempt")
    assert worker.count("retried") == 2
    wait_until(lambda: rows(pair.primary_url, JOB) == [("failed", 3)], 5, "The job's state")
    assert worker.lines("job failed")[-1]["firewatch.job.result"] == "abandoned"
    assert confirmed(pair) == 0


def test_a_worker_that_is_killed_half_way_loses_no_confirmation(
    make_shop: MakeShop, post: Post, pair: PostgresPair, make_worker: Callable[..., Worker]
) -> None:
    shop = make_shop()
    token = shop.customer()
    orders = {document(shop.order(token))["id"] for _ in range(ORDERS)}
    post.delay_seconds = 0.3
    post.start()
    worker = make_worker()
    wait_until(lambda: len(post.mails) >= 5, 20, "Some mails", every=0.02)
    worker.process.kill()
    done = confirmed(pair)
    assert 0 < done < ORDERS
    assert value(pair.primary_url, IN_HAND) > 0
    worker.process.start()
    wait_until(lambda: confirmed(pair) == ORDERS, 40, "Every confirmation")
    assert set(post.message_ids) == {f"<order-{each}@firewatch.example>" for each in orders}


def test_a_worker_that_is_asked_to_stop_finishes_what_it_has_in_hand(
    shop: Shop, post: Post, pair: PostgresPair, make_worker: Callable[..., Worker]
) -> None:
    post.delay_seconds = 0.5
    post.start()
    worker = make_worker()
    shop.order(shop.customer())
    wait_until(lambda: value(pair.primary_url, IN_HAND) == 1, 20, "The job", every=0.02)
    worker.process.stop()
    assert confirmed(pair) == len(post.mails) == 1
    assert worker.lines()[-1]["message"] == "telemetry closed"


def test_a_confirmation_that_was_sent_is_not_sent_again(
    shop: Shop, post: Post, pair: PostgresPair, make_worker: Callable[..., Worker]
) -> None:
    post.start()
    worker = make_worker()
    shop.order(shop.customer())
    wait_until(lambda: worker.count("succeeded") == 1, 20, "The confirmation")
    again = (
        "SELECT procrastinate_defer_jobs_v1(ARRAY[ROW(queue_name, task_name, priority, lock,"
        " queueing_lock, args, NULL)::procrastinate_job_to_defer_v1]) FROM procrastinate_jobs"
        " WHERE queue_name = 'orders'"
    )
    rows(pair.primary_url, again)
    wait_until(lambda: worker.count("succeeded") == 2, 20, "The second run")
    assert len(post.mails) == 1
