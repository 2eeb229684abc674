"""The first tables, and the 15 slots."""

import secrets
from datetime import UTC, datetime

import sqlalchemy as sa
from advanced_alchemy.types import GUID, DateTimeUTC
from alembic import op
from sqlalchemy.dialects import postgresql

JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")

CHAINS = [
    ["black_and_white"],
    ["sepia"],
    ["vintage", "vignette"],
    ["poster"],
    ["sketch"],
    ["black_and_white", "vignette"],
    ["vintage"],
    ["sepia", "vignette"],
    ["poster", "vignette"],
    ["sketch", "sepia"],
    ["black_and_white"],
    ["sepia"],
    ["vintage"],
    ["poster"],
    ["sketch"],
]

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", GUID(), nullable=False),
        sa.Column("username", sa.String(), nullable=False),
        sa.Column("username_folded", sa.String(), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("created_at", DateTimeUTC(timezone=True), nullable=False),
        sa.Column("disabled_at", DateTimeUTC(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("username_folded", name=op.f("uq_accounts_username_folded")),
    )
    op.create_table(
        "audit",
        sa.Column("id", GUID(), nullable=False),
        sa.Column("at", DateTimeUTC(timezone=True), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("detail", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_at", "audit", ["at"], unique=False)

    op.create_table(
        "login_failures",
        sa.Column("id", GUID(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("failed_at", DateTimeUTC(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login_failures")),
    )
    op.create_index("ix_login_failures_failed_at", "login_failures", ["failed_at"], unique=False)
    op.create_index(
        "ix_login_failures_subject_address_failed_at",
        "login_failures",
        ["subject", "address", "failed_at"],
        unique=False,
    )

    op.create_table(
        "runners",
        sa.Column("runner_id", sa.String(), nullable=False),
        sa.Column("home", sa.String(), nullable=False),
        sa.Column("beat_at", DateTimeUTC(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("runner_id", name=op.f("pk_runners")),
    )
    op.create_table(
        "settings",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("value", JSON, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", DateTimeUTC(timezone=True), nullable=True),
        sa.Column("updated_by", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_settings")),
    )
    op.create_table(
        "slots",
        sa.Column("slot_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("config", JSON, nullable=False),
        sa.Column("password_hash", sa.String(), nullable=True),
        sa.Column("pin_hash", sa.String(), nullable=True),
        sa.Column("link_token", sa.String(), nullable=False),
        sa.Column("updated_at", DateTimeUTC(timezone=True), nullable=False),
        sa.Column("updated_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("slot_id", name=op.f("pk_slots")),
    )
    op.create_table(
        "albums",
        sa.Column("id", GUID(), nullable=False),
        sa.Column("slot_id", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["slot_id"], ["slots.slot_id"], name=op.f("fk_albums_slot_id_slots")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_albums")),
        sa.UniqueConstraint("slot_id", "key", name=op.f("uq_albums_slot_id")),
    )
    op.create_table(
        "jobs",
        sa.Column("id", GUID(), nullable=False),
        sa.Column("slot_id", sa.String(), nullable=False),
        sa.Column("slot_version", sa.Integer(), nullable=False),
        sa.Column("runner_id", sa.String(), nullable=False),
        sa.Column("rerun_of", GUID(), nullable=True),
        sa.Column("ref", sa.String(), nullable=True),
        sa.Column("link_token", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("provider", sa.String(), nullable=True),
        sa.Column("received_at", DateTimeUTC(timezone=True), nullable=False),
        sa.Column("deadline_at", DateTimeUTC(timezone=True), nullable=False),
        sa.Column("finished_at", DateTimeUTC(timezone=True), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("failure_code", sa.String(), nullable=True),
        sa.Column("failure_detail", sa.String(), nullable=True),
        sa.Column("source_sha256", sa.String(), nullable=True),
        sa.Column("cost_micros", sa.BigInteger(), nullable=True),
        sa.Column("result", JSON, nullable=True),
        sa.Column("approved_at", DateTimeUTC(timezone=True), nullable=True),
        sa.Column("hidden_at", DateTimeUTC(timezone=True), nullable=True),
        sa.Column("removed_at", DateTimeUTC(timezone=True), nullable=True),
        sa.Column("expires_at", DateTimeUTC(timezone=True), nullable=False),
        sa.Column("is_test", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["slot_id"], ["slots.slot_id"], name=op.f("fk_jobs_slot_id_slots")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index(
        "ix_jobs_live",
        "jobs",
        ["slot_id", "finished_at"],
        unique=False,
        sqlite_where=sa.text("outcome IS NOT NULL AND hidden_at IS NULL AND removed_at IS NULL"),
        postgresql_where=sa.text("outcome IS NOT NULL AND hidden_at IS NULL AND removed_at IS NULL"),
    )
    op.create_index(
        "ix_jobs_processing",
        "jobs",
        ["deadline_at"],
        unique=False,
        sqlite_where=sa.text("status = 'processing'"),
        postgresql_where=sa.text("status = 'processing'"),
    )
    op.create_index("ix_jobs_received_at", "jobs", ["received_at"], unique=False)
    op.create_index(
        "ix_jobs_ref",
        "jobs",
        ["slot_id", "ref"],
        unique=False,
        sqlite_where=sa.text("ref IS NOT NULL"),
        postgresql_where=sa.text("ref IS NOT NULL"),
    )
    op.create_index("ix_jobs_slot_id_received_at", "jobs", ["slot_id", "received_at"], unique=False)

    op.create_table(
        "sessions",
        sa.Column("jti", GUID(), nullable=False),
        sa.Column("account_id", GUID(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("created_at", DateTimeUTC(timezone=True), nullable=False),
        sa.Column("expires_at", DateTimeUTC(timezone=True), nullable=False),
        sa.Column("revoked_at", DateTimeUTC(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_sessions_account_id_accounts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("jti", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_account_id"), "sessions", ["account_id"], unique=False)
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"], unique=False)

    op.create_table(
        "slot_versions",
        sa.Column("slot_id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("config", JSON, nullable=False),
        sa.Column("changed_at", DateTimeUTC(timezone=True), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["slot_id"], ["slots.slot_id"], name=op.f("fk_slot_versions_slot_id_slots"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("slot_id", "version", name=op.f("pk_slot_versions")),
    )
    op.create_table(
        "album_items",
        sa.Column("album_id", GUID(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("job_id", GUID(), nullable=False),
        sa.ForeignKeyConstraint(
            ["album_id"], ["albums.id"], name=op.f("fk_album_items_album_id_albums"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_album_items_job_id_jobs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("album_id", "position", name=op.f("pk_album_items")),
        sa.UniqueConstraint("job_id", name=op.f("uq_album_items_job_id")),
    )
    op.create_table(
        "attempts",
        sa.Column("id", GUID(), nullable=False),
        sa.Column("job_id", GUID(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=True),
        sa.Column("started_at", DateTimeUTC(timezone=True), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("vendor_request_id", sa.String(), nullable=True),
        sa.Column("usage", JSON, nullable=True),
        sa.Column("cost_micros", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_attempts_job_id_jobs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
        sa.UniqueConstraint("job_id", "number", name=op.f("uq_attempts_job_id")),
    )
    op.create_table(
        "job_claims",
        sa.Column("slot_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("job_id", GUID(), nullable=False),
        sa.Column("expires_at", DateTimeUTC(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["jobs.id"],
            name=op.f("fk_job_claims_job_id_jobs"),
            ondelete="CASCADE",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("slot_id", "kind", "value", name=op.f("pk_job_claims")),
    )
    op.create_index(op.f("ix_job_claims_job_id"), "job_claims", ["job_id"], unique=False)

    op.create_table(
        "media",
        sa.Column("id", GUID(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("variant", sa.String(), nullable=False),
        sa.Column("store", sa.String(), nullable=False),
        sa.Column("object_key", sa.String(), nullable=False),
        sa.Column("content_type", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("job_id", GUID(), nullable=True),
        sa.Column("created_at", DateTimeUTC(timezone=True), nullable=False),
        sa.Column("expires_at", DateTimeUTC(timezone=True), nullable=True),
        sa.Column("evicted_at", DateTimeUTC(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_media_job_id_jobs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_media")),
        sa.UniqueConstraint("object_key", name=op.f("uq_media_object_key")),
    )
    op.create_index(
        "ix_media_due",
        "media",
        ["expires_at"],
        unique=False,
        sqlite_where=sa.text("evicted_at IS NULL"),
        postgresql_where=sa.text("evicted_at IS NULL"),
    )
    op.create_index("ix_media_job_id_variant", "media", ["job_id", "variant"], unique=False)

    seed_slots()


def downgrade() -> None:
    op.drop_table("media")
    op.drop_table("job_claims")
    op.drop_table("attempts")
    op.drop_table("album_items")
    op.drop_table("slot_versions")
    op.drop_table("sessions")
    op.drop_table("jobs")
    op.drop_table("albums")
    op.drop_table("slots")
    op.drop_table("settings")
    op.drop_table("runners")
    op.drop_table("login_failures")
    op.drop_table("audit")
    op.drop_table("accounts")


def seed_slots() -> None:
    """`slot-001` to `slot-015`: enabled, no password (so nobody can send yet), and a chain that needs no key."""
    now = datetime.now(UTC)
    text = sa.String()
    versions = sa.table(
        "slot_versions",
        *(sa.column(name, text) for name in ("slot_id", "name", "changed_by")),
        sa.column("version", sa.Integer()),
        sa.column("enabled", sa.Boolean()),
        sa.column("config", JSON),
        sa.column("changed_at", DateTimeUTC(timezone=True)),
    )
    slots = sa.table(
        "slots",
        *(sa.column(name, text) for name in ("slot_id", "name", "link_token", "updated_by")),
        sa.column("version", sa.Integer()),
        sa.column("enabled", sa.Boolean()),
        sa.column("config", JSON),
        sa.column("updated_at", DateTimeUTC(timezone=True)),
    )
    rows = [
        {
            "slot_id": f"slot-{number:03}",
            "name": f"Slot {number}",
            "version": 1,
            "enabled": True,
            "config": {"chain": [step(operations)]},
        }
        for number, operations in enumerate(CHAINS, start=1)
    ]
    tokens = [{"link_token": secrets.token_urlsafe(16), "updated_at": now, "updated_by": "system"} for _ in rows]
    op.bulk_insert(slots, [row | token for row, token in zip(rows, tokens, strict=True)])
    op.bulk_insert(versions, [row | {"changed_at": now, "changed_by": "system"} for row in rows])


def step(operations: list[str]) -> dict[str, object]:
    if len(operations) == 1:
        return {"provider": "darkroom", "operation": operations[0]}
    return {
        "provider": "darkroom",
        "operation": "recipe",
        "settings": {"steps": [{"operation": operation} for operation in operations]},
    }
