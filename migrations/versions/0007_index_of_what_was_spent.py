"""What a slot spent since a moment, told from the index alone. Made while others read and write."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_NAME, _COLUMNS = "ix_jobs_spent", ["slot_id", "received_at", "cost_micros"]
_COST = sa.text("cost_micros > 0")


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.create_index(_NAME, "jobs", _COLUMNS, sqlite_where=_COST)
        return
    with op.get_context().autocommit_block():
        op.drop_index(_NAME, "jobs", if_exists=True, postgresql_concurrently=True)  # one that was broken off
        op.create_index(_NAME, "jobs", _COLUMNS, postgresql_where=_COST, postgresql_concurrently=True)


def downgrade() -> None:
    op.drop_index(_NAME, "jobs")
