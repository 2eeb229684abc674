"""Indexes of the filtered lists of jobs and of the audit log. Made while others read and write."""

from alembic import op

INDEXES = {
    "ix_jobs_slot_id_id": ("jobs", ["slot_id", "id"]),
    "ix_jobs_status_id": ("jobs", ["status", "id"]),
    "ix_audit_action_id": ("audit", ["action", "id"]),
    "ix_audit_subject_id": ("audit", ["subject", "id"]),
}

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for name, (table, columns) in INDEXES.items():
            op.create_index(name, table, columns, unique=False)
        return
    with op.get_context().autocommit_block():
        for name, (table, columns) in INDEXES.items():
            op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)  # one that was broken off
            op.create_index(name, table, columns, unique=False, postgresql_concurrently=True)


def downgrade() -> None:
    for name, (table, _) in INDEXES.items():
        op.drop_index(name, table)
