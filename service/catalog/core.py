"""What a product and a page of products are. No I/O."""

from __future__ import annotations

from service.body import Body

PAGE_SIZE = 20
LAST_PAGE = 100_000
LAST_PRODUCT = 2**53


class Product(Body):
    """A product; the price in cents of ``currency`` (ISO 4217).

    Its stock is asked for apart: it changes with every order, the product hardly ever.
    """

    id: int
    sku: str
    name: str
    description: str
    price_cents: int
    currency: str


class ProductPage(Body):
    """One page of the catalogue, by id; ``pages`` is the number of the last one."""

    items: list[Product]
    page: int
    pages: int
    total: int


class Stock(Body):
    """How many of a product can be ordered now."""

    product_id: int
    available: int


def page_count(total: int) -> int:
    """Pages that ``total`` products fill: at least one, so that an empty shop has a first page."""
    return max(1, -(-total // PAGE_SIZE))
