"""HTTP of orders: place one, read one's own."""

from __future__ import annotations

import re
from uuid import UUID

from flask import Response, request

from observability.instruments import Instruments
from service.accounts.store import AccountStore
from service.accounts.who import current_account
from service.api import Operation, Parameter, json_response, parse_body
from service.errors import Problem
from service.orders.core import KEY_PATTERN, Order, OrderRequest, Refused
from service.orders.store import KeyReused, OrderStore, Placed

KEY = re.compile(KEY_PATTERN)
KEY_HEADER = Parameter("Idempotency-Key", "header", {"type": "string", "pattern": KEY_PATTERN})
ORDER_ID = Parameter("order_id", "path", {"type": "string", "format": "uuid"})
WHY_REFUSED = {
    "unknown_product": (422, "The order names products that do not exist."),
    "mixed_currencies": (422, "The order mixes currencies."),
    "out_of_stock": (409, "There is not enough in stock."),
}


class OrderRoutes:
    """The handlers, and the operations that they serve."""

    def __init__(self, store: OrderStore, accounts: AccountStore, instruments: Instruments) -> None:
        self._store = store
        self._accounts = accounts
        self._instruments = instruments

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "POST",
                "/api/orders",
                "place_order",
                "Place an order; the same Idempotency-Key answers with the same order.",
                self.place,
                {201: ("Accepted", Order), 200: ("Accepted before", Order)},
                problems=(409,),
                parameters=(KEY_HEADER,),
                body=OrderRequest,
                signed_in=True,
                tag="orders",
            ),
            Operation(
                "GET",
                "/api/orders/<uuid:order_id>",
                "order",
                "One of one's own orders.",
                self.order,
                {200: ("The order", Order)},
                problems=(404,),
                parameters=(ORDER_ID,),
                signed_in=True,
                tag="orders",
            ),
        ]

    def place(self) -> Response:
        account_id = current_account(self._accounts)
        placed = self._place(account_id, _key(), parse_body(OrderRequest))
        if not placed.replayed:
            self._instruments.orders.inc()
            amount = placed.order.total_cents / 100
            self._instruments.revenue.labels(placed.order.currency).inc(amount)
        response = json_response(placed.order, 200 if placed.replayed else 201)
        response.headers["Location"] = f"/api/orders/{placed.order.id}"
        return response

    def _place(self, account_id: str, key: str, order: OrderRequest) -> Placed:
        try:
            return self._store.place(account_id, key, order)
        except Refused as refused:
            self._instruments.orders_refused.labels(refused.reason).inc()
            status, detail = WHY_REFUSED[refused.reason]
            raise Problem(status, detail, product_ids=refused.product_ids) from None
        except KeyReused:
            self._instruments.orders_refused.labels("key_reused").inc()
            raise Problem(422, "This Idempotency-Key belongs to another order.") from None

    def order(self, order_id: UUID) -> Response:
        account_id = current_account(self._accounts)
        order = self._store.get(account_id, order_id)
        if order is None:
            raise Problem(404, "You have no such order.")
        response = json_response(order)
        response.headers["Cache-Control"] = "private, no-store"
        return response


def _key() -> str:
    key = request.headers.get("Idempotency-Key", "")
    if not KEY.fullmatch(key):
        raise Problem(400, "Idempotency-Key must be 8 to 128 visible ASCII characters.")
    return key
