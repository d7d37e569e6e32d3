"""Rate limits and bans, as one address meets them, and as another does not."""

from __future__ import annotations

import redis as redis_client
from werkzeug.test import TestResponse

from stack.servers import Redis
from tests.integration.conftest import MakeShop, stopped
from tests.integration.shop import Shop, new_email

HERE, ELSEWHERE, PROXY = "203.0.113.7", "203.0.113.8", "10.0.0.1"
HOUR = 3600


def fail_to_sign_in(shop: Shop, times: int) -> list[int]:
    return [shop.sign_in(new_email(), "a wrong password").status_code for _ in range(times)]


def refused(answer: TestResponse, within: int) -> bool:
    """Whether the answer says 429, as a problem, and when to come back, in at most so many s."""
    return (
        answer.status_code == 429
        and answer.mimetype == "application/problem+json"
        and 0 < int(answer.headers["Retry-After"]) <= within
    )


def test_an_address_may_ask_three_hundred_times_in_five_minutes(make_shop: MakeShop) -> None:
    shop = make_shop(limits_enabled=True)
    assert {shop.get("/openapi.json").status_code for _ in range(300)} == {200}
    assert refused(shop.get("/openapi.json"), 300)
    assert shop.get("/openapi.json", peer=ELSEWHERE).status_code == 200
    assert shop.sample("rate_limited_total", limit="300 per 5 minute") == 1


def test_a_limit_holds_over_all_replicas(make_shop: MakeShop) -> None:
    replicas = [make_shop(limits_enabled=True, limit_per_address="4 per minute") for _ in range(2)]
    answers = [replicas[n % 2].get("/api/products/1").status_code for n in range(5)]
    assert answers == [200, 200, 200, 200, 429]


def test_probes_are_never_limited(make_shop: MakeShop) -> None:
    shop = make_shop(limits_enabled=True, limit_per_address="1 per minute")
    assert {shop.get("/health").status_code for _ in range(5)} == {200}
    assert {shop.get("/health/ready").status_code for _ in range(5)} == {200}


def test_an_address_may_sign_in_five_times_in_twenty_seconds(make_shop: MakeShop) -> None:
    shop = make_shop(limits_enabled=True)
    email = new_email()
    shop.sign_up(email, peer=ELSEWHERE)
    assert [shop.sign_in(email).status_code for _ in range(5)] == [201] * 5
    assert refused(shop.sign_in(email), 20)
    assert shop.sign_in(email, peer=ELSEWHERE).status_code == 201


def test_the_limit_of_the_api_counts_each_token_apart(make_shop: MakeShop) -> None:
    shop = make_shop(limits_enabled=True, limit_api="3 per hour")
    email = new_email()
    shop.sign_up(email, peer=ELSEWHERE)
    first, second = (str(shop.sign_in(email, peer=ELSEWHERE).get_json()["token"]) for _ in range(2))
    assert [shop.get("/api/me", first).status_code for _ in range(3)] == [200] * 3
    assert refused(shop.get("/api/me", first), HOUR)
    assert shop.get("/api/me", second).status_code == 200


def test_five_failures_ban_an_address_from_signing_in_for_an_hour(
    make_shop: MakeShop, redis: Redis
) -> None:
    shop = make_shop(limits_enabled=True, limit_sign_in="100 per 20 seconds")
    email = new_email()
    shop.sign_up(email)
    assert fail_to_sign_in(shop, 5) == [401] * 5
    banned = shop.sign_in(email)
    assert refused(banned, HOUR)
    assert int(banned.headers["Retry-After"]) > HOUR - 60
    assert shop.sign_in(email, peer=ELSEWHERE).status_code == 201
    assert shop.get("/api/products/1").status_code == 200
    assert shop.sample("bans_total") == 1
    assert shop.sample("sign_ins_total", result="banned") == 1
    # The hour is over.
    with redis_client.Redis(port=redis.port) as client:
        client.delete(f"v1:ban:{HERE}")
    assert shop.sign_in(email).status_code == 201


def test_four_failures_and_a_success_ban_nobody(make_shop: MakeShop) -> None:
    shop = make_shop(limits_enabled=True, limit_sign_in="100 per 20 seconds")
    email = new_email()
    shop.sign_up(email)
    assert fail_to_sign_in(shop, 4) == [401] * 4
    assert shop.sign_in(email).status_code == 201
    assert shop.sample("bans_total") == 0


def test_while_redis_is_away_everyone_passes_and_that_is_counted(
    make_shop: MakeShop, redis: Redis
) -> None:
    shop = make_shop(limits_enabled=True, limit_per_address="2 per minute")
    assert [shop.get("/api/products/1").status_code for _ in range(3)] == [200, 200, 429]
    assert shop.sample("rate_limiter_errors_total") == 0
    with stopped(redis.server):
        assert {shop.get("/api/products/1").status_code for _ in range(5)} == {200}
        assert fail_to_sign_in(shop, 6) == [401] * 6
        assert shop.sample("rate_limiter_errors_total") >= 5 + 6


def test_whom_an_untrusted_peer_says_it_speaks_for_is_ignored(
    make_shop: MakeShop, redis: Redis
) -> None:
    shop = make_shop(limits_enabled=True, limit_per_address="3 per minute")
    answers = [
        shop.get("/api/products/1", headers={"X-Forwarded-For": f"198.51.100.{n}"}).status_code
        for n in range(4)
    ]
    assert answers == [200, 200, 200, 429]


def test_whom_a_trusted_proxy_speaks_for_is_limited_instead_of_the_proxy(
    make_shop: MakeShop,
) -> None:
    shop = make_shop(
        limits_enabled=True, limit_per_address="2 per minute", trusted_proxies=(f"{PROXY}/32",)
    )

    made_up = (f"192.0.2.{number}" for number in range(100))

    def ask(customer: str) -> int:
        # What the customer made up comes first; the proxy adds the true one.
        forwarded = {"X-Forwarded-For": f"{next(made_up)}, {customer}"}
        return shop.get("/api/products/1", peer=PROXY, headers=forwarded).status_code

    assert [ask(HERE) for _ in range(3)] == [200, 200, 429]
    assert [ask(ELSEWHERE) for _ in range(2)] == [200, 200]


def test_a_ban_set_by_one_replica_holds_at_the_other(make_shop: MakeShop) -> None:
    here, there = (
        make_shop(limits_enabled=True, limit_sign_in="100 per 20 seconds") for _ in range(2)
    )
    fail_to_sign_in(here, 3)
    fail_to_sign_in(there, 2)
    assert refused(here.sign_in(new_email()), HOUR)
