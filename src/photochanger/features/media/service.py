"""Keeps bytes: first in the store, then, in the caller's unit of work, as rows."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from photochanger.adapters.db.session import Database
from photochanger.adapters.imaging.imaging import File
from photochanger.adapters.imaging.sniff import EXTENSIONS
from photochanger.adapters.storage.store import ObjectStore, StorageUnavailable
from photochanger.core.clock import Clock
from photochanger.core.errors import Problem
from photochanger.core.ids import new_id, parse_id
from photochanger.features.jobs.service import jobs_in
from photochanger.features.media.keys import MediaKind, object_key
from photochanger.features.media.models import Media
from photochanger.features.media.repository import MediaRepository

NO_SLOT = "-"


class MediaService:
    def __init__(self, *, store: ObjectStore, database: Database, clock: Clock, runner_id: str) -> None:
        self.store = store
        self._database = database
        self._clock = clock
        self._runner_id = runner_id

    def new_key(self, kind: MediaKind, slot_id: str, content_type: str) -> str:
        return object_key(kind, slot_id, self._clock.now(), self._runner_id, EXTENSIONS[content_type])

    async def keep(self, kind: MediaKind, slot_id: str, file: File, *, variant: str = "") -> Media:
        """Stores the bytes and gives their row, which the caller adds in the unit of work that makes them visible."""
        key = self.new_key(kind, slot_id, file.media_type)
        await self.put_whole(key, file.data, file.media_type)
        return self.row(
            kind,
            key,
            content_type=file.media_type,
            size_bytes=len(file.data),
            sha256=hashlib.sha256(file.data).hexdigest(),
            width=file.width,
            height=file.height,
            variant=variant,
        )

    async def put_whole(self, key: str, data: bytes, media_type: str) -> None:
        await self.store.put(key, _one(data), content_type=media_type, size_bytes=len(data))

    def row(
        self,
        kind: MediaKind,
        key: str,
        *,
        content_type: str,
        size_bytes: int,
        sha256: str,
        width: int | None = None,
        height: int | None = None,
        variant: str = "",
    ) -> Media:
        now = self._clock.now()
        return Media(
            id=new_id(now),
            kind=kind,
            variant=variant,
            store=self.store.name,
            object_key=key,
            content_type=content_type,
            size_bytes=size_bytes,
            sha256=sha256,
            width=width,
            height=height,
            created_at=now,
        )

    async def discard(self, *keys: str) -> None:
        """Deletes objects that no row names. What cannot be deleted now, the sweep finds."""
        for outcome in await asyncio.gather(*map(self.store.delete, keys), return_exceptions=True):
            if isinstance(outcome, BaseException) and not isinstance(outcome, StorageUnavailable):
                raise outcome

    async def find(self, media_id: UUID) -> Media | None:
        async with self._database.read() as session:
            return await MediaRepository(session).find(media_id)

    async def has_template(self, media_id: str) -> bool:
        try:
            media = await self.find(parse_id(media_id))
        except Problem:
            return False
        return media is not None and media.kind == "template" and media.evicted_at is None

    async def find_result(self, job_id: UUID, variant: str) -> Media | None:
        async with self._database.read() as session:
            return await MediaRepository(session).find_of_job(job_id, variant)

    async def find_source(self, job_id: UUID) -> Media | None:
        """The photo that was sent, as long as it lives."""
        async with self._database.read() as session:
            media = await MediaRepository(session).find_of_job(job_id, "")
        if media is None or media.evicted_at is not None:
            return None
        return media if media.expires_at is None or media.expires_at > self._clock.now() else None

    async def disown(self, job_id: UUID) -> None:
        """The next time the same photo is sent it gets a job of its own."""
        async with self._database.write() as session:
            await jobs_in(session).release_claims(job_id)

    async def read_whole(self, key: str) -> bytes:
        """For what is small by its nature: templates."""
        async with self.store.get(key) as chunks:
            return b"".join([chunk async for chunk in chunks])


def media_in(session: AsyncSession) -> MediaRepository:
    """Stored objects inside another feature's unit of work."""
    return MediaRepository(session)


async def _one(data: bytes) -> AsyncIterator[bytes]:
    yield data
