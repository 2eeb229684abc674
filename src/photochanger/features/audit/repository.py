"""All SQL about the audit log. Entries are added and read, never changed."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from photochanger.core.ids import first_id, last_id
from photochanger.features.audit.models import AuditEntry
from photochanger.features.audit.schemas import AuditFilters


class AuditRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, entry: AuditEntry) -> None:
        self._session.add(entry)

    async def list_entries(self, filters: AuditFilters, *, before: UUID | None, limit: int) -> list[AuditEntry]:
        """Newest first: ids are UUIDv7, so they sort by time, to the millisecond."""
        found = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
        for column, wanted in (
            (AuditEntry.actor, filters.actor),
            (AuditEntry.action, filters.action),
            (AuditEntry.subject, filters.subject),
        ):
            if wanted is not None:
                found = found.where(column == wanted)
        if filters.since is not None:
            found = found.where(AuditEntry.at >= filters.since, AuditEntry.id >= first_id(filters.since))
        if filters.until is not None:
            found = found.where(AuditEntry.at < filters.until, AuditEntry.id <= last_id(filters.until))
        if before is not None:
            found = found.where(AuditEntry.id < before)
        return list(await self._session.scalars(found))
