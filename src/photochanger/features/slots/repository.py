"""All SQL about slots."""

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from photochanger.adapters.db.statements import lock
from photochanger.features.slots.models import Slot, SlotVersion


class SlotRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def lock(self) -> None:
        """One change at a time: what is true of all slots together stays true."""
        await lock(self._session, "slots")

    async def find(self, slot_id: str) -> Slot | None:
        """A name with a NUL is nobody's; PostgreSQL refuses to look for it."""
        return None if "\0" in slot_id else await self._session.get(Slot, slot_id)

    async def list_page(self, *, after: str = "", limit: int | None = None) -> list[Slot]:
        found = select(Slot).where(Slot.slot_id > after).order_by(Slot.slot_id).limit(limit)
        return list(await self._session.scalars(found))

    async def list_ids(self) -> set[str]:
        return set(await self._session.scalars(select(Slot.slot_id)))

    async def list_versions(self, slot_id: str, *, before: int | None, limit: int) -> list[SlotVersion]:
        """Newest first."""
        found = select(SlotVersion).where(SlotVersion.slot_id == slot_id)
        if before is not None:
            found = found.where(SlotVersion.version < before)
        return list(await self._session.scalars(found.order_by(SlotVersion.version.desc()).limit(limit)))

    async def find_version(self, slot_id: str, version: int) -> SlotVersion | None:
        return await self._session.get(SlotVersion, (slot_id, version))

    async def add(self, slot: Slot) -> None:
        self._session.add(slot)
        await self._session.flush()
        self._remember(slot)

    async def replace(self, slot: Slot, *, version: int) -> bool:
        """Writes `slot` where the row still has `version`; False is a conflict."""
        values = {column.name: getattr(slot, column.name) for column in Slot.__table__.columns}
        done = await self._session.execute(
            update(Slot)
            .where(Slot.slot_id == slot.slot_id, Slot.version == version)
            .values(values)
            .returning(Slot.version)
        )
        if done.first() is None:
            return False
        self._remember(slot)
        return True

    def _remember(self, slot: Slot) -> None:
        self._session.add(
            SlotVersion(
                slot_id=slot.slot_id,
                version=slot.version,
                name=slot.name,
                enabled=slot.enabled,
                config=slot.config,
                changed_at=slot.updated_at,
                changed_by=slot.updated_by,
            )
        )
