"""Reads the audit log back."""

from photochanger.adapters.db.session import Database
from photochanger.core.paging import Cursors
from photochanger.features.audit.schemas import AuditDocument, AuditFilters
from photochanger.features.audit.service import AuditService


def audit_service(database: Database) -> AuditService:
    return AuditService(database, Cursors(b"cursors of tests"))


async def entries(
    database: Database, *, actor: str | None = None, action: str | None = None, subject: str | None = None
) -> list[AuditDocument]:
    """Newest first; of one millisecond in any order."""
    return (
        await audit_service(database).list_entries(AuditFilters(actor=actor, action=action, subject=subject), 200, None)
    ).items
