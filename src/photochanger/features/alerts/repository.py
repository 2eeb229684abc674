"""All SQL about alerts."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from photochanger.adapters.db.statements import insert_for
from photochanger.features.alerts.models import Alert, AlertMessage


class AlertRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def raise_alert(self, alert_id: UUID, kind: str, subject: str, now: datetime) -> bool:
        """Marks it as seen; whether it is new."""
        statement = (
            insert_for(self._session, Alert)
            .values(kind=kind, subject=subject, id=alert_id, raised_at=now, seen_at=now)
            .on_conflict_do_update(index_elements=["kind", "subject"], set_={"seen_at": now})
            .returning(Alert.id)
        )
        return bool(await self._session.scalar(statement) == alert_id)

    async def end_alert(self, kind: str, subject: str, unseen_since: datetime) -> tuple[UUID, datetime] | None:
        """Its id and its beginning; None where there is none, or it was seen after `unseen_since`."""
        statement = (
            delete(Alert)
            .where(Alert.kind == kind, Alert.subject == subject, Alert.seen_at <= unseen_since)
            .returning(Alert.id, Alert.raised_at)
        )
        row = (await self._session.execute(statement)).first()
        return (row[0], row[1]) if row else None

    async def list_subjects(self, kind: str) -> list[str]:
        return list(await self._session.scalars(select(Alert.subject).where(Alert.kind == kind)))

    def add_message(self, document: dict[str, Any], now: datetime) -> None:
        self._session.add(AlertMessage(document=document, next_try_at=now))

    async def find_first_message(self) -> AlertMessage | None:
        """Locked until the unit of work ends."""
        return await self._session.scalar(select(AlertMessage).order_by(AlertMessage.id).limit(1).with_for_update())

    async def delete_message(self, message_id: int) -> None:
        await self._session.execute(delete(AlertMessage).where(AlertMessage.id == message_id))

    async def find_message(self, message_id: int) -> AlertMessage | None:
        return await self._session.get(AlertMessage, message_id)
