"""The catalogue: read from the replica, cached as the very bytes that are sent."""

from __future__ import annotations

from service.catalog.core import PAGE_SIZE, Product, ProductPage, Stock, page_count
from service.settings import Settings
from service.storage.cache import Cache
from service.storage.postgres import Database, Session

# The cache's word for "there is none": an id that does not exist must not reach the database each
# time it is asked for.
NOTHING = b"-"
COLUMNS = "id, sku, name, description, price_cents, currency"


class CatalogStore:
    """Products and pages as JSON bytes, and stock."""

    def __init__(self, database: Database, cache: Cache, settings: Settings) -> None:
        self._database = database
        self._cache = cache
        self._settings = settings

    def product(self, product_id: int) -> bytes | None:
        """The product as JSON, or None."""
        value = self._cache.fetch(
            "product",
            str(product_id),
            self._settings.product_ttl_seconds,
            lambda: self._load_product(product_id),
        )
        return None if value == NOTHING else value

    def page(self, page: int) -> bytes | None:
        """Page ``page`` (from 1) as JSON, or None past the last."""
        value = self._cache.fetch(
            "page", str(page), self._settings.page_ttl_seconds, lambda: self._load_page(page)
        )
        return None if value == NOTHING else value

    def stock(self, product_id: int) -> Stock | None:
        """What is left of a product, never from the cache, or None where there is none such."""
        row = self._database.read(
            lambda session: session.row(
                "stock_get", "SELECT available FROM stock WHERE product_id = %s", (product_id,)
            )
        )
        return Stock(product_id=product_id, available=row["available"]) if row else None

    def _load_product(self, product_id: int) -> bytes:
        row = self._database.read(
            lambda session: session.row(
                "product_get",
                f"SELECT {COLUMNS} FROM products WHERE id = %s",
                (product_id,),
            )
        )
        return Product(**row).model_dump_json().encode() if row else NOTHING

    def _load_page(self, page: int) -> bytes:
        return self._database.read(lambda session: _page(session, page))


def _page(session: Session, page: int) -> bytes:
    counted = session.row("product_count", "SELECT count(*) AS total FROM products")
    total = counted["total"] if counted else 0
    pages = page_count(total)
    if page > pages:
        return NOTHING
    rows = session.rows(
        "product_page",
        f"SELECT {COLUMNS} FROM products ORDER BY id LIMIT %s OFFSET %s",
        (PAGE_SIZE, (page - 1) * PAGE_SIZE),
    )
    items = [Product(**row) for row in rows]
    answer = ProductPage(items=items, page=page, pages=pages, total=total)
    return answer.model_dump_json().encode()
