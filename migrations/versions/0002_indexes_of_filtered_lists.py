"""Indexes of lists and look-ups, and none that nothing asks for. Made while others read and write."""

from typing import Any

import sqlalchemy as sa
from alembic import op


def where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


LIVE = "outcome IS NOT NULL AND hidden_at IS NULL AND removed_at IS NULL"
MADE: dict[str, tuple[str, list[str], dict[str, Any]]] = {
    "ix_jobs_slot_id_id": ("jobs", ["slot_id", "id"], {}),
    "ix_jobs_status_id": ("jobs", ["status", "id"], {}),
    "ix_jobs_expires_at": ("jobs", ["expires_at"], {}),
    "ix_jobs_visible": (
        "jobs",
        ["slot_id", "finished_at", "id", "expires_at"],
        where(f"{LIVE} AND approved_at IS NOT NULL AND is_test IS false"),
    ),
    "ix_job_claims_expires_at": ("job_claims", ["expires_at"], where("expires_at IS NOT NULL")),
    "ix_media_stored": (
        "media",
        ["object_key"],
        where("evicted_at IS NULL") | {"postgresql_include": ["kind", "size_bytes"]},
    ),
    "ix_audit_action_id": ("audit", ["action", "id"], {}),
    "ix_audit_actor_id": ("audit", ["actor", "id"], {}),
    "ix_audit_subject_id": ("audit", ["subject", "id"], {}),
}
DROPPED: dict[str, tuple[str, list[str], dict[str, Any]]] = {
    "ix_audit_at": ("audit", ["at"], {}),
    "ix_jobs_live": ("jobs", ["slot_id", "finished_at"], where(LIVE)),
}

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for name, (table, columns, options) in MADE.items():
            op.create_index(name, table, columns, unique=False, **options)
        for name, (table, _, _) in DROPPED.items():
            op.drop_index(name, table)
        return
    with op.get_context().autocommit_block():
        for name, (table, columns, options) in MADE.items():
            op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)  # one that was broken off
            op.create_index(name, table, columns, unique=False, postgresql_concurrently=True, **options)
        for name, (table, _, _) in DROPPED.items():
            op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)


def downgrade() -> None:
    for name, (table, columns, options) in DROPPED.items():
        op.create_index(name, table, columns, unique=False, **options)
    for name, (table, _, _) in MADE.items():
        op.drop_index(name, table)
