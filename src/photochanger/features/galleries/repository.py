"""All SQL about albums."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from photochanger.adapters.db.statements import insert_for
from photochanger.features.galleries.models import Album, AlbumItem
from photochanger.features.jobs.models import Job
from photochanger.features.media.service import media_in


class AlbumRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def find(self, album_id: UUID) -> Album | None:
        return await self._session.get(Album, album_id)

    async def get_or_add(self, album_id: UUID, slot_id: str, key: str) -> Album:
        """The slot's album of that key, locked so that positions are given one by one."""
        statement = insert_for(self._session, Album).values(id=album_id, slot_id=slot_id, key=key)
        await self._session.execute(statement.on_conflict_do_nothing())
        found = select(Album).where(Album.slot_id == slot_id, Album.key == key).with_for_update()
        return (await self._session.scalars(found)).one()

    async def append(self, album_id: UUID, job_id: UUID) -> None:
        last = await self._session.scalar(select(func.max(AlbumItem.position)).where(AlbumItem.album_id == album_id))
        self._session.add(AlbumItem(album_id=album_id, position=(last or 0) + 1, job_id=job_id))

    async def find_id_of(self, job_id: UUID) -> UUID | None:
        return await self._session.scalar(select(AlbumItem.album_id).where(AlbumItem.job_id == job_id))

    async def list_visible(self, album_id: UUID, now: datetime) -> list[Job]:
        found = media_in(self._session).visible(now).join(AlbumItem, AlbumItem.job_id == Job.id)
        return list(await self._session.scalars(found.where(AlbumItem.album_id == album_id).order_by(Job.id)))
