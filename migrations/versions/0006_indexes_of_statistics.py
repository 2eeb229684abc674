"""Failures by time, calls by time, calls of unknown cost. Made while others read and write."""

import sqlalchemy as sa
from alembic import op

INDEXES = {
    "ix_jobs_failures": ("jobs", "received_at", sa.text("failure_code IS NOT NULL")),
    "ix_attempts_started_at": ("attempts", "started_at", None),
    "ix_attempts_unknown": ("attempts", "started_at", sa.text("cost_micros IS NULL")),
}

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for name, (table, column, where) in INDEXES.items():
            op.create_index(name, table, [column], sqlite_where=where)
        return
    with op.get_context().autocommit_block():
        for name, (table, column, where) in INDEXES.items():
            op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)  # one that was broken off
            op.create_index(name, table, [column], postgresql_where=where, postgresql_concurrently=True)


def downgrade() -> None:
    for name, (table, _, _) in INDEXES.items():
        op.drop_index(name, table)
