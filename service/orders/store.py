"""Orders: stock, order, items and confirmation job in one transaction on the primary, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.orders.core import (
    Offer,
    Order,
    OrderItem,
    OrderRequest,
    Refused,
    priced,
    request_hash,
    total_cents,
)
from service.storage.postgres import PRIMARY, Database, Session

Enqueue = Callable[[Session, str], None]


class KeyReused(Exception):
    """The idempotency key belongs to an order with other lines."""


@dataclass(frozen=True)
class Placed:
    """An order, and whether it was there before (the same key came again)."""

    order: Order
    replayed: bool


class OrderStore:
    """Places and finds orders. ``enqueue`` adds the confirmation job on the given session."""

    def __init__(self, database: Database, enqueue: Enqueue) -> None:
        self._database = database
        self._enqueue = enqueue

    def place(self, account_id: str, key: str, request: OrderRequest) -> Placed:
        """Accept the order, or find the one that this key made.

        Raises:
            Refused: with the reason; nothing is left behind.
            KeyReused: the key made an order with other lines.
            Unavailable: the primary is away.
        """
        return self._database.transaction(
            lambda session: self._place(session, account_id, key, request)
        )

    def _place(self, session: Session, account_id: str, key: str, request: OrderRequest) -> Placed:
        # First, so that two requests with one key meet here: the second waits for the first.
        row = session.row(
            "order_claim",
            "INSERT INTO orders (account_id, idempotency_key, request_hash, total_cents, currency)"
            " VALUES (%s, %s, %s, 0, '') ON CONFLICT (account_id, idempotency_key) DO NOTHING"
            " RETURNING id, created_at",
            (account_id, key, request_hash(request)),
        )
        if row is None:
            return self._replay(session, account_id, key, request)
        items, currency = priced(request, _lock_offers(session, request))
        _take(session, row["id"], items, currency)
        self._enqueue(session, str(row["id"]))
        return Placed(_order(row["id"], row["created_at"], currency, items), replayed=False)

    def _replay(self, session: Session, account_id: str, key: str, request: OrderRequest) -> Placed:
        row = session.row(
            "order_by_key",
            "SELECT id, request_hash FROM orders WHERE account_id = %s AND idempotency_key = %s",
            (account_id, key),
        )
        if row is None or bytes(row["request_hash"]) != request_hash(request):
            raise KeyReused
        order = _find(session, account_id, row["id"])
        assert order is not None
        return Placed(order, replayed=True)

    def get(self, account_id: str, order_id: UUID) -> Order | None:
        """The account's order, or None; another account's order is None too.

        Raises:
            Unavailable: neither server answers.
        """
        return self._database.read(
            lambda session: _find(session, account_id, order_id), prefer=PRIMARY
        )


def _lock_offers(session: Session, request: OrderRequest) -> dict[int, Offer]:
    # In the order of ids, so that two orders never wait for each other.
    rows = session.rows(
        "stock_lock",
        "SELECT s.product_id, s.available, p.price_cents, p.currency FROM stock s"
        " JOIN products p ON p.id = s.product_id WHERE s.product_id = ANY(%s)"
        " ORDER BY s.product_id FOR UPDATE OF s",
        ([line.product_id for line in request.items],),
    )
    return {
        row["product_id"]: Offer(row["price_cents"], row["currency"], row["available"])
        for row in rows
    }


def _take(session: Session, order_id: UUID, items: list[OrderItem], currency: str) -> None:
    ids = [item.product_id for item in items]
    quantities = [item.quantity for item in items]
    prices = [item.unit_price_cents for item in items]
    session.rows(
        "order_store",
        "WITH line AS (SELECT * FROM unnest(%s::bigint[], %s::int[], %s::int[])"
        " AS t (product_id, quantity, price)),"
        " taken AS (UPDATE stock s SET available = s.available - line.quantity FROM line"
        " WHERE s.product_id = line.product_id),"
        " stored AS (INSERT INTO order_items (order_id, product_id, quantity, unit_price_cents)"
        " SELECT %s, product_id, quantity, price FROM line)"
        " UPDATE orders SET total_cents = %s, currency = %s WHERE id = %s",
        (ids, quantities, prices, order_id, total_cents(items), currency, order_id),
    )


def _find(session: Session, account_id: str, order_id: UUID) -> Order | None:
    rows = session.rows(
        "order_get",
        "SELECT o.created_at, o.currency, i.product_id, i.quantity, i.unit_price_cents"
        " FROM orders o JOIN order_items i ON i.order_id = o.id"
        " WHERE o.id = %s AND o.account_id = %s ORDER BY i.product_id",
        (order_id, account_id),
    )
    if not rows:
        return None
    items = [
        OrderItem(
            product_id=row["product_id"],
            quantity=row["quantity"],
            unit_price_cents=row["unit_price_cents"],
        )
        for row in rows
    ]
    return _order(order_id, rows[0]["created_at"], rows[0]["currency"], items)


def _order(order_id: UUID, created_at: datetime, currency: str, items: list[OrderItem]) -> Order:
    return Order(
        id=str(order_id),
        items=sorted(items, key=lambda item: item.product_id),
        total_cents=total_cents(items),
        currency=currency,
        created_at=created_at.isoformat(),
    )


__all__ = ["KeyReused", "OrderStore", "Placed", "Refused"]
