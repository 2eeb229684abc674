"""The jobs whose photo may still come. Made while others read and write."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_IS_LATE = sa.text("late_until IS NOT NULL")


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.create_index("ix_jobs_late", "jobs", ["late_until"], sqlite_where=_IS_LATE)
        return
    with op.get_context().autocommit_block():
        op.drop_index("ix_jobs_late", "jobs", if_exists=True, postgresql_concurrently=True)  # one that was broken off
        op.create_index("ix_jobs_late", "jobs", ["late_until"], postgresql_where=_IS_LATE, postgresql_concurrently=True)


def downgrade() -> None:
    op.drop_index("ix_jobs_late", "jobs")
