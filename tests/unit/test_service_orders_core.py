"""Laws of orders, for any basket: what is refused, what it costs, what makes two the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from service.catalog.core import LAST_PRODUCT, PAGE_SIZE, page_count
from service.orders.core import (
    MAX_ITEMS,
    MAX_QUANTITY,
    Offer,
    OrderLine,
    OrderRequest,
    Refused,
    priced,
    request_hash,
    total_cents,
)

LINES = st.lists(
    st.builds(
        OrderLine,
        product_id=st.integers(1, 200) | st.integers(1, LAST_PRODUCT),
        quantity=st.integers(1, MAX_QUANTITY),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda line: line.product_id,
)
BASKETS = LINES.map(lambda lines: OrderRequest(items=lines))


def offers_for(basket: OrderRequest, price_cents: int = 250) -> dict[int, Offer]:
    """Offers that are just enough for ``basket``."""
    return {line.product_id: Offer(price_cents, "EUR", line.quantity) for line in basket.items}


def refusal(basket: OrderRequest, offers: dict[int, Offer]) -> tuple[str, list[int]]:
    """Why the basket is refused, and for which products; it must be."""
    with pytest.raises(Refused) as refused:
        priced(basket, offers)
    return refused.value.reason, refused.value.product_ids


@given(BASKETS, st.integers(0, 10**6))
def test_a_basket_that_the_stock_just_covers_is_priced_line_by_line(
    basket: OrderRequest, price_cents: int
) -> None:
    items, currency = priced(basket, offers_for(basket, price_cents))
    assert currency == "EUR"
    assert [(item.product_id, item.quantity) for item in items] == [
        (line.product_id, line.quantity) for line in basket.items
    ]
    assert total_cents(items) == price_cents * sum(line.quantity for line in basket.items)


@given(BASKETS, st.data())
def test_one_piece_too_few_refuses_the_order_and_names_the_product(
    basket: OrderRequest, data: st.DataObject
) -> None:
    short = data.draw(st.sampled_from(basket.items))
    offers = offers_for(basket)
    offers[short.product_id] = Offer(250, "EUR", short.quantity - 1)
    assert refusal(basket, offers) == ("out_of_stock", [short.product_id])


@given(BASKETS, st.data())
def test_a_product_that_does_not_exist_refuses_the_order(
    basket: OrderRequest, data: st.DataObject
) -> None:
    missing = data.draw(st.sampled_from(basket.items))
    offers = offers_for(basket)
    del offers[missing.product_id]
    assert refusal(basket, offers) == ("unknown_product", [missing.product_id])


def test_two_currencies_in_one_order_are_refused() -> None:
    basket = OrderRequest(items=[OrderLine(product_id=n, quantity=1) for n in (1, 2)])
    with pytest.raises(Refused, match="mixed_currencies"):
        priced(basket, {1: Offer(1, "EUR", 9), 2: Offer(1, "USD", 9)})


@given(LINES, st.randoms(use_true_random=False))
def test_the_order_of_the_lines_does_not_make_another_request(
    lines: list[OrderLine], chance: object
) -> None:
    shuffled = list(lines)
    getattr(chance, "shuffle")(shuffled)  # noqa: B009 (hypothesis gives its Random no type)
    assert request_hash(OrderRequest(items=lines)) == request_hash(OrderRequest(items=shuffled))


@given(LINES, st.data())
def test_another_product_or_quantity_on_one_line_makes_another_request(
    lines: list[OrderLine], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(lines) - 1))
    taken = {line.product_id for line in lines}
    old = lines[place]
    changed = data.draw(
        st.integers(1, MAX_QUANTITY).map(lambda n: (old.product_id, n))
        | st.integers(1, 200).filter(lambda n: n not in taken).map(lambda n: (n, old.quantity))
    )
    new = OrderLine(product_id=changed[0], quantity=changed[1])
    others = [*lines[:place], new, *lines[place + 1 :]]
    same = request_hash(OrderRequest(items=lines)) == request_hash(OrderRequest(items=others))
    assert same is (new == old)


@pytest.mark.parametrize(
    "items",
    [
        [],
        [{"product_id": 1, "quantity": 0}],
        [{"product_id": 1, "quantity": MAX_QUANTITY + 1}],
        [{"product_id": 0, "quantity": 1}],
        [{"product_id": LAST_PRODUCT + 1, "quantity": 1}],
        [{"product_id": "1", "quantity": 1}],
        [{"product_id": 1, "quantity": True}],
        [{"product_id": 1, "quantity": 1.0}],
        [{"product_id": 1, "quantity": 1, "price": 0}],
        [{"product_id": 1, "quantity": 1}, {"product_id": 1, "quantity": 2}],
        [{"product_id": n, "quantity": 1} for n in range(1, MAX_ITEMS + 2)],
    ],
)
def test_what_cannot_be_ordered_is_refused(items: list[dict[str, object]]) -> None:
    with pytest.raises(ValidationError):
        OrderRequest.model_validate({"items": items})


@given(st.integers(0, 10**7))
def test_the_pages_hold_all_products_and_only_the_first_may_be_empty(total: int) -> None:
    pages = page_count(total)
    assert pages * PAGE_SIZE >= total
    assert pages == 1 or (pages - 1) * PAGE_SIZE < total
