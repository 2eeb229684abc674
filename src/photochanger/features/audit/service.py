"""Writes and lists the audit log. An entry is written in the unit of work of what it tells."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from photochanger.adapters.db.session import Database
from photochanger.core.clock import Clock
from photochanger.core.ids import new_id
from photochanger.core.paging import Cursors, Page
from photochanger.features.audit.models import AuditEntry
from photochanger.features.audit.repository import AuditRepository
from photochanger.features.audit.schemas import Actor, AuditDocument, AuditFilters

_LISTING = "audit"


async def record(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    action: str,
    subject: str,
    detail: dict[str, Any] | None = None,
) -> None:
    """Adds an entry to the unit of work `session`. `action` is `noun.past_verb`; `detail` holds no secret."""
    now = clock.now()
    AuditRepository(session).add(
        AuditEntry(
            id=new_id(now),
            at=now,
            actor=actor.name,
            address=actor.address,
            action=action,
            subject=subject,
            detail=detail or {},
        )
    )


class AuditService:
    def __init__(self, database: Database, cursors: Cursors) -> None:
        self._database = database
        self._cursors = cursors

    async def list_entries(self, filters: AuditFilters, limit: int, cursor: str | None) -> Page[AuditDocument]:
        position = self._cursors.decode(_LISTING, cursor)
        before = UUID(position) if position is not None else None
        async with self._database.read() as session:
            found = await AuditRepository(session).list_entries(filters, before=before, limit=limit + 1)
        shown = found[:limit]
        following = self._cursors.encode(_LISTING, str(shown[-1].id)) if len(found) > limit else None
        return Page([_document(entry) for entry in shown], following)


def _document(entry: AuditEntry) -> AuditDocument:
    return AuditDocument(
        id=entry.id,
        at=entry.at,
        actor=entry.actor,
        address=entry.address,
        action=entry.action,
        subject=entry.subject,
        detail=entry.detail,
    )
