"""Rules of orders: what may be ordered, what it costs, what makes two requests the same. No I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Self

import orjson
from pydantic import Field, model_validator

from service.body import Body
from service.catalog.core import LAST_PRODUCT

MAX_ITEMS = 50
MAX_QUANTITY = 1000
KEY_PATTERN = r"^[\x21-\x7e]{8,128}$"


class OrderLine(Body):
    """One product, and how many of it."""

    product_id: Annotated[int, Field(ge=1, le=LAST_PRODUCT, strict=True)]
    quantity: Annotated[int, Field(ge=1, le=MAX_QUANTITY, strict=True)]


class OrderRequest(Body):
    """What a customer orders; each product stands on one line."""

    items: Annotated[list[OrderLine], Field(min_length=1, max_length=MAX_ITEMS)]

    @model_validator(mode="after")
    def _no_product_twice(self) -> Self:
        ids = [line.product_id for line in self.items]
        if len(ids) != len(set(ids)):
            raise ValueError("each product may stand on one line only")
        return self


class OrderItem(Body):
    """A line of an accepted order, at the price of its moment."""

    product_id: int
    quantity: int
    unit_price_cents: int


class Order(Body):
    """An accepted order; ``created_at`` is ISO 8601, amounts are cents of ``currency``."""

    id: str
    items: list[OrderItem]
    total_cents: int
    currency: str
    created_at: str


@dataclass(frozen=True)
class Offer:
    """What the shop has of a product, locked for this order."""

    price_cents: int
    currency: str
    available: int


class Refused(Exception):
    """The order cannot be accepted; ``reason`` is a constant, ``product_ids`` name the lines."""

    def __init__(self, reason: str, product_ids: Sequence[int]) -> None:
        super().__init__(reason)
        self.reason = reason
        self.product_ids = list(product_ids)


def priced(request: OrderRequest, offers: Mapping[int, Offer]) -> tuple[list[OrderItem], str]:
    """The order's items with their prices, and the currency.

    Raises:
        Refused: ``unknown_product``, ``out_of_stock`` or ``mixed_currencies``.
    """
    _refuse_if(
        "unknown_product", [x.product_id for x in request.items if x.product_id not in offers]
    )
    _refuse_if(
        "out_of_stock",
        [x.product_id for x in request.items if offers[x.product_id].available < x.quantity],
    )
    currencies = {offers[line.product_id].currency for line in request.items}
    if len(currencies) > 1:
        raise Refused("mixed_currencies", [line.product_id for line in request.items])
    items = [
        OrderItem(
            product_id=line.product_id,
            quantity=line.quantity,
            unit_price_cents=offers[line.product_id].price_cents,
        )
        for line in request.items
    ]
    return items, currencies.pop()


def _refuse_if(reason: str, product_ids: list[int]) -> None:
    if product_ids:
        raise Refused(reason, product_ids)


def total_cents(items: Sequence[OrderItem]) -> int:
    """The sum of all lines."""
    return sum(item.quantity * item.unit_price_cents for item in items)


def request_hash(request: OrderRequest) -> bytes:
    """The same for the same lines in any order: it tells a repeat from a key used twice."""
    lines = sorted((line.product_id, line.quantity) for line in request.items)
    return hashlib.sha256(orjson.dumps(lines)).digest()
