"""The album that a photo was sent to is known also while the photo has no result."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("album", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("jobs", "album")
