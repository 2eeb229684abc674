"""A job's style and note, and the time until which its photo may still come."""

import sqlalchemy as sa
from advanced_alchemy.types import DateTimeUTC
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("style", sa.String(), nullable=True))
    op.add_column("jobs", sa.Column("note", sa.String(), nullable=True))
    op.add_column("jobs", sa.Column("late_until", DateTimeUTC(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("jobs", "late_until")
    op.drop_column("jobs", "note")
    op.drop_column("jobs", "style")
