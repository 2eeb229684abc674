"""What a gallery shows. Who may see it is `slots/access`."""

from uuid import UUID

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from photochanger.adapters.db.session import Database
from photochanger.adapters.passwords import Passwords
from photochanger.core.clock import Clock
from photochanger.core.errors import Problem
from photochanger.core.ids import new_id
from photochanger.features.accounts.failures import Failures
from photochanger.features.galleries.models import Album
from photochanger.features.galleries.repository import AlbumRepository
from photochanger.features.jobs.models import Job
from photochanger.features.media.retention import Retention
from photochanger.features.media.service import media_in
from photochanger.features.slots.schemas import ConfiguredSlot
from photochanger.features.slots.service import SlotService


class GalleryPage(Struct, kw_only=True):
    jobs: list[Job]
    has_next: bool


class GalleryService:
    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        slots: SlotService,
        retention: Retention,
        passwords: Passwords,
    ) -> None:
        self._database = database
        self._clock = clock
        self._slots = slots
        self._retention = retention
        self._passwords = passwords

    async def get_gallery(self, slot_id: str) -> ConfiguredSlot:
        """The slot whose gallery is meant; raises `gallery-not-found`."""
        try:
            return await self._slots.gallery_of(slot_id)
        except Problem as problem:
            raise Problem("gallery-not-found") from problem

    async def show(self, gallery: ConfiguredSlot, *, page: int) -> GalleryPage:
        """Live results, newest first; what is over is not among them, and its objects get deleted."""
        now, config = self._clock.now(), gallery.config.gallery
        has_ended = config.ends_at is not None and config.ends_at <= now
        slot_ids = await self._slots.list_sharing(gallery)
        async with self._database.read() as session:
            media = media_in(session)
            jobs = await media.list_visible(
                slot_ids, now=now, since=config.since, offset=(page - 1) * config.page_size, limit=config.page_size + 1
            )
            due = await media.list_due_jobs(slot_ids, now=now, limit=config.page_size)
        for job_id in due:
            self._retention.evict_soon(job_id)
        shown = [] if has_ended else jobs[: config.page_size]
        has_next = not has_ended and len(jobs) > config.page_size
        return GalleryPage(jobs=shown, has_next=has_next)

    async def is_pin(self, gallery: ConfiguredSlot, pin: str, address: str) -> bool:
        """Raises `pin-locked` after five wrong ones within 15 minutes from one address."""
        tried = (self._clock, f"pin {gallery.slot_id}", address)
        async with self._database.read() as session:
            await _refuse_locked(Failures(session, *tried))
        is_right = gallery.pin_hash is not None and await self._passwords.verify(gallery.pin_hash, pin)
        async with self._database.write() as session:
            failures = Failures(session, *tried)
            await failures.lock()
            await _refuse_locked(failures)  # again: all PINs sent at once passed the first look
            if not is_right:
                await failures.count()
        return is_right

    async def find_album_id(self, job_id: UUID) -> UUID | None:
        async with self._database.read() as session:
            return await AlbumRepository(session).find_id_of(job_id)

    async def get_album(self, album_id: UUID) -> tuple[Album, list[Job]]:
        """An album and its live results in the order they were sent; `gallery-not-found` once none is left."""
        async with self._database.read() as session:
            albums = AlbumRepository(session)
            album = await albums.find(album_id)
            jobs = await albums.list_visible(album_id, self._clock.now())
        if album is None or not jobs:
            raise Problem("gallery-not-found")
        return album, jobs


async def _refuse_locked(failures: Failures) -> None:
    seconds = await failures.seconds_locked()
    if seconds is not None:
        raise Problem("pin-locked", retry_after=seconds)


async def append_to_album(session: AsyncSession, clock: Clock, slot_id: str, key: str, job_id: UUID) -> None:
    """Adds a result to the slot's album of that key, in the caller's unit of work."""
    albums = AlbumRepository(session)
    album = await albums.get_or_add(new_id(clock.now()), slot_id, key)
    await albums.append(album.id, job_id)
