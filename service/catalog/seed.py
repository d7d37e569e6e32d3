"""A catalogue to start with: the same products each time, made in the database itself."""

from __future__ import annotations

from collections.abc import Callable

from psycopg import Connection

BATCH = 50_000
KINDS = (
    "Lantern",
    "Compass",
    "Kettle",
    "Tent",
    "Rope",
    "Blanket",
    "Whistle",
    "Axe",
    "Map",
    "Boots",
)
LOOKS = (
    "Amber",
    "Birch",
    "Cedar",
    "Dusk",
    "Ember",
    "Fern",
    "Granite",
    "Harbour",
    "Iron",
    "Juniper",
)

INSERT = """
WITH new AS (
    INSERT INTO products (sku, name, description, price_cents, currency)
    SELECT 'FW-' || lpad(n::text, 8, '0'),
           (%(looks)s::text[])[1 + n %% 10] || ' ' || (%(kinds)s::text[])[1 + (n / 10) %% 10]
               || ' ' || n,
           'Made for long watches. Model ' || n || '.',
           500 + (n * 37) %% 20000,
           'EUR'
    FROM generate_series(%(first)s::int, %(last)s::int) AS n
    ON CONFLICT (sku) DO NOTHING
    RETURNING id
)
INSERT INTO stock (product_id, available) SELECT id, %(stock)s FROM new
"""


def seed_products(
    connection: Connection[tuple[object, ...]], count: int, stock: int, say: Callable[[str], None]
) -> int:
    """Make sure that ``count`` products exist; how many were added. Each batch is a transaction."""
    added = 0
    for first in range(1, count + 1, BATCH):
        last = min(first + BATCH - 1, count)
        values = {
            "first": first,
            "last": last,
            "stock": stock,
            "kinds": list(KINDS),
            "looks": list(LOOKS),
        }
        added += connection.execute(INSERT, values).rowcount
        connection.commit()
        say(f"{last} of {count} products …")
    return added
