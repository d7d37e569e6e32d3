"""HTTP of the catalogue: a page, a product, its stock. Everyone may read."""

from __future__ import annotations

from flask import Response, request

from service.api import Operation, Parameter, json_response
from service.catalog.core import LAST_PAGE, LAST_PRODUCT, Product, ProductPage, Stock
from service.catalog.store import CatalogStore
from service.errors import Problem

PRODUCT_ID = Parameter(
    "product_id", "path", {"type": "integer", "minimum": 1, "maximum": LAST_PRODUCT}
)
PAGE = Parameter(
    "page", "query", {"type": "integer", "minimum": 1, "maximum": LAST_PAGE}, required=False
)
NO_PRODUCT = "There is no such product."


class CatalogRoutes:
    """The handlers, and the operations that they serve."""

    def __init__(self, store: CatalogStore) -> None:
        self._store = store

    def operations(self) -> list[Operation]:
        product = f"/api/products/<int(max={LAST_PRODUCT}):product_id>"
        return [
            Operation(
                "GET",
                "/api/products",
                "products",
                "A page of the catalogue, 20 products, by id.",
                self.products,
                {200: ("The page", ProductPage)},
                problems=(404,),
                parameters=(PAGE,),
                tag="catalogue",
            ),
            Operation(
                "GET",
                product,
                "product",
                "One product.",
                self.product,
                {200: ("The product", Product)},
                problems=(404,),
                parameters=(PRODUCT_ID,),
                tag="catalogue",
            ),
            Operation(
                "GET",
                f"{product}/stock",
                "stock",
                "How many of a product can be ordered now.",
                self.stock,
                {200: ("The stock", Stock)},
                problems=(404,),
                parameters=(PRODUCT_ID,),
                tag="catalogue",
            ),
        ]

    def products(self) -> Response:
        document = self._store.page(_page_asked_for())
        if document is None:
            raise Problem(404, "There is no such page.")
        return _cacheable(document)

    def product(self, product_id: int) -> Response:
        document = self._store.product(product_id)
        if document is None:
            raise Problem(404, NO_PRODUCT)
        return _cacheable(document)

    def stock(self, product_id: int) -> Response:
        stock = self._store.stock(product_id)
        if stock is None:
            raise Problem(404, NO_PRODUCT)
        response = json_response(stock)
        response.headers["Cache-Control"] = "no-store"
        return response


def _page_asked_for() -> int:
    text = request.args.get("page", "1")
    # Too long to be looked at as a number: Python refuses thousands of digits with an error of its own.
    digits = text.isascii() and text.isdigit() and len(text) <= 9
    if not digits or not 1 <= int(text) <= LAST_PAGE:
        raise Problem(400, f"page must be a whole number from 1 to {LAST_PAGE}.")
    return int(text)


def _cacheable(document: bytes) -> Response:
    response = json_response(document)
    response.headers["Cache-Control"] = "public, max-age=60"
    return response
