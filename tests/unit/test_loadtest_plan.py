"""What a run will ask, decided before it starts: when, by whom, from where."""

from __future__ import annotations

import random
import ssl
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits import parse_many

from loadtest.addresses import HOSTS, addresses
from loadtest.counter import Counter
from loadtest.customers import Customer, Shop
from loadtest.figures import Sample
from loadtest.messages import Plan, pack, unpack
from loadtest.profiles import (
    MIX,
    NAMES,
    ORDERS_PER_CUSTOMER_AN_HOUR,
    REQUESTS_PER_VISIT,
    Arrivals,
    Kind,
    Profile,
)
from loadtest.schedule import Weighted, arrival_times, zipf
from service.settings import Settings

KINDS: list[Arrivals] = ["poisson", "jittered"]
SHOP = Shop((Customer("a@x.example", "secret", "old"),), (7, 8, 9), 3)


def _counter() -> Counter:
    return Counter(SHOP, addresses(0), ssl.create_default_context(), random.Random(1))


@pytest.mark.parametrize("kind", KINDS)
@given(rate=st.floats(0.5, 500), seconds=st.floats(0.5, 20), seed=st.integers(0, 99))
def test_as_many_arrivals_as_asked_come_in_order_within_the_window(
    kind: Arrivals, rate: float, seconds: float, seed: int
) -> None:
    times = arrival_times(kind, rate, seconds, random.Random(seed))
    assert len(times) == round(rate * seconds)
    assert times == sorted(times)
    assert all(0 <= moment <= seconds for moment in times)


@pytest.mark.parametrize(("rate", "seconds"), [(0, 1), (-1, 1), (1, 0)])
def test_a_schedule_of_nothing_is_refused(rate: float, seconds: float) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        arrival_times("poisson", rate, seconds, random.Random())


def test_poisson_arrivals_bunch_and_jittered_ones_do_not() -> None:
    def most_in_a_slot(kind: Arrivals) -> int:
        times = arrival_times(kind, 100, 20, random.Random(3))
        slots = [int(moment * 100) for moment in times]
        return max(slots.count(slot) for slot in set(slots))

    assert most_in_a_slot("jittered") == 1
    assert most_in_a_slot("poisson") >= 4


def test_draws_follow_the_weights_and_never_meet_a_weight_of_zero() -> None:
    drawn = Weighted(["often", "never", "seldom"], [9, 0, 1])
    rng = random.Random(5)
    draws = [drawn.draw(rng) for _ in range(10_000)]
    assert draws.count("never") == 0
    assert 0.88 < draws.count("often") / len(draws) < 0.92


@pytest.mark.parametrize("weights", [[], [1.0], [1.0, -1.0], [0.0, 0.0]])
def test_weights_that_mean_nothing_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights"):
        Weighted(["a", "b"], weights)


def test_the_second_most_popular_product_is_drawn_half_as_often_as_the_first() -> None:
    drawn, rng = zipf([1, 2, 3], 1.0), random.Random(5)
    draws = [drawn.draw(rng) for _ in range(20_000)]
    assert draws.count(2) / draws.count(1) == pytest.approx(0.5, abs=0.05)


@given(seed=st.integers(0, len(HOSTS) - 1))
def test_addresses_do_not_come_twice_and_are_all_private_hosts(seed: int) -> None:
    found = list(islice(addresses(seed), 500))
    assert len(set(found)) == 500
    assert all(address.startswith("10.") for address in found)
    assert not {"10.0.0.0", "10.255.255.255"} & set(found)


def test_generators_of_one_run_share_no_address() -> None:
    taken = [set(islice(addresses(42, index, 3), 1000)) for index in range(3)]
    assert len(set.union(*taken)) == 3000
    assert set.union(*taken) == set(islice(addresses(42), 3000))


def test_every_address_is_visited_before_any_comes_twice() -> None:
    from loadtest.addresses import STEP

    a, b = len(HOSTS), STEP
    while b:
        a, b = b, a % b
    assert a == 1


def test_every_kind_has_a_weight_and_a_name() -> None:
    assert MIX.keys() == NAMES.keys()
    assert sum(MIX.values()) == pytest.approx(1.0)


def _allowed_in(limit: str, seconds: float) -> float:
    """The fewest requests that these limits let pass within ``seconds``."""
    return min(item.amount * max(1.0, seconds / item.get_expiry()) for item in parse_many(limit))


def _default(field: str) -> str:
    return str(Settings.model_fields[field].default)


def test_a_visit_stays_under_the_limits_by_address_of_production() -> None:
    assert _allowed_in(_default("limit_per_address"), 0) > REQUESTS_PER_VISIT
    # Sign-ins are one in 200; even a visit with five times as many stays under their limit.
    sign_ins = REQUESTS_PER_VISIT * MIX["sign_in"] * 5
    assert sign_ins < _allowed_in(_default("limit_sign_in"), 0)


def test_a_customer_stays_under_the_limit_by_token_of_production() -> None:
    assert _allowed_in(_default("limit_api"), 3600) >= 2 * ORDERS_PER_CUSTOMER_AN_HOUR


@pytest.mark.parametrize(("rate", "seconds"), [(800, 30), (1500, 600), (1000, 7200)])
def test_there_are_customers_enough_for_all_orders_of_an_hour(rate: float, seconds: float) -> None:
    profile = Profile(rate=rate, duration_seconds=seconds)
    orders = rate * min(3600, seconds) * MIX["order"]
    assert orders / profile.customers <= ORDERS_PER_CUSTOMER_AN_HOUR


@pytest.mark.parametrize(("rate", "processes"), [(1, 1), (1000, 1), (1001, 2), (2500, 3)])
def test_a_higher_rate_takes_more_generator_processes(rate: float, processes: int) -> None:
    assert Profile(rate=rate, duration_seconds=1).processes == processes


@pytest.mark.parametrize(
    ("kind", "method", "path"),
    [
        ("item", "GET", "/api/products/"),
        ("browse", "GET", "/api/products?page="),
        ("order", "POST", "/api/orders"),
        ("sign_in", "POST", "/api/sessions"),
    ],
)
def test_each_kind_asks_what_its_name_says(kind: Kind, method: str, path: str) -> None:
    ask = _counter().ask(kind)
    assert ask.method == method
    assert ask.path.startswith(path)


def test_orders_carry_the_newest_token_and_a_key_of_their_own() -> None:
    counter = _counter()
    first, second = counter.ask("order"), counter.ask("order")
    assert first.details["headers"]["Authorization"] == "Bearer old"
    keys = {ask.details["headers"]["Idempotency-Key"] for ask in (first, second)}
    assert len(keys) == 2
    counter.shop.customers[0].token = "new"
    assert counter.ask("order").details["headers"]["Authorization"] == "Bearer new"


def test_a_plan_and_samples_survive_the_way_to_a_generator_and_back() -> None:
    plan = Plan(SHOP, connections=10, seed=3, index=1, count=2, ca="ca.pem")
    assert Plan.from_data(plan.as_data()) == plan
    samples = [Sample("GET /x", 0.5, 0.75, "503")]
    assert unpack(pack(samples)) == samples
