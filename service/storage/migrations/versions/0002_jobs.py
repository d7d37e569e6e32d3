"""The job queue: procrastinate's own schema, in the shop's database.

It comes from the installed release. A later release's changes come as migrations of ours that run
the files of ``SchemaManager.get_migrations_path()``, guarded by what is already there.
"""

from alembic import op
from procrastinate.schema import SchemaManager

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # The driver would read a lone % as the start of a parameter.
    op.get_bind().exec_driver_sql(SchemaManager.get_schema().replace("%", "%%"))
