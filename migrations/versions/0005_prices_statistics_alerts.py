"""Prices with dates, hours of statistics that were counted, alerts and what is still to be told of them."""

from datetime import UTC, datetime

import sqlalchemy as sa
from advanced_alchemy.types import GUID, DateTimeUTC
from alembic import op
from sqlalchemy.dialects import postgresql

JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
SINCE = datetime(2025, 1, 1, tzinfo=UTC)
PRICES = [
    ("gemini", "image", 34_000),
    ("gemini", "image:4K", 240_000),
    ("gemini", "vision", 500),
    ("darkroom", "image", 0),
]
"""A picture each, as vendors say it. Turbotext bills by tariff, others by model: whoever uses them enters it."""

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    prices = op.create_table(
        "prices",
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("valid_from", DateTimeUTC(timezone=True), nullable=False),
        sa.Column("micros", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("provider", "model", "unit", "valid_from", name=op.f("pk_prices")),
    )
    rows = [dict(zip(("provider", "unit", "micros"), price, strict=True)) for price in PRICES]
    op.bulk_insert(prices, [row | {"model": "", "valid_from": SINCE} for row in rows])
    op.create_table(
        "stats_hours",
        sa.Column("hour", DateTimeUTC(timezone=True), nullable=False),
        sa.Column("slot_id", sa.String(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("delivered", "failed", "timeout", "rejected")),
        sa.Column("cost_micros", sa.BigInteger(), nullable=False),
        sa.Column("cost_unknown", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["slot_id"], ["slots.slot_id"], name=op.f("fk_stats_hours_slot_id_slots")),
        sa.PrimaryKeyConstraint("hour", "slot_id", name=op.f("pk_stats_hours")),
    )
    op.create_table(
        "stats_waits",
        sa.Column("hour", DateTimeUTC(timezone=True), nullable=False),
        sa.Column("slot_id", sa.String(), nullable=False),
        sa.Column("step", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["slot_id"], ["slots.slot_id"], name=op.f("fk_stats_waits_slot_id_slots")),
        sa.PrimaryKeyConstraint("hour", "slot_id", "step", name=op.f("pk_stats_waits")),
    )
    op.create_table(
        "stats_progress",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rolled_until", DateTimeUTC(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stats_progress")),
    )
    op.create_table(
        "alerts",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("id", GUID(), nullable=False),
        sa.Column("raised_at", DateTimeUTC(timezone=True), nullable=False),
        sa.Column("seen_at", DateTimeUTC(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("kind", "subject", name=op.f("pk_alerts")),
    )
    op.create_table(
        "alert_messages",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("document", JSON, nullable=False),
        sa.Column("try_count", sa.Integer(), nullable=False),
        sa.Column("next_try_at", DateTimeUTC(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_messages")),
    )


def downgrade() -> None:
    for table in ("alert_messages", "alerts", "stats_progress", "stats_waits", "stats_hours", "prices"):
        op.drop_table(table)
