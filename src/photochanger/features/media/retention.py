"""Forgetting. Reads go by the clock, so nothing here decides what is visible: it only frees what is over.

Bytes go first, rows after: a crash between the two leaves a row that the next sweep finishes.
"""

import asyncio
from datetime import datetime
from uuid import UUID

import structlog
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from photochanger.adapters.db.session import Database
from photochanger.adapters.storage.store import ObjectStore, StorageUnavailable
from photochanger.core.clock import Clock
from photochanger.core.errors import Problem
from photochanger.core.forms import invalid
from photochanger.features.audit.schemas import Actor
from photochanger.features.audit.service import record
from photochanger.features.clock.service import ClockWatch
from photochanger.features.jobs.models import Job
from photochanger.features.jobs.service import has_result, jobs_in
from photochanger.features.media.models import Media
from photochanger.features.media.repository import MediaRepository
from photochanger.features.media.schemas import CleanupDocument

_BATCH = 100
_MOST_FAILURES = 1_000
"""Then the store is down, and the sweep ends."""
LIFE_DAYS = 30

log = structlog.get_logger()


class Evicted(Struct):
    count: int = 0
    freed_bytes: int = 0
    failed: int = 0


class Retention:
    def __init__(self, *, store: ObjectStore, database: Database, clock: Clock, clock_watch: ClockWatch) -> None:
        self._store = store
        self._database = database
        self._clock = clock
        self._clock_watch = clock_watch
        self._evicting: dict[UUID, asyncio.Task[None]] = {}

    async def evict_expired(self, *, slot_id: str | None = None, limit: int = 10_000) -> Evicted:
        """Deletes what is over; safe to run twice, on two replicas, or after a crash.

        What cannot be deleted now is passed over, and tried again by the next sweep. Raises where the clock moved.
        """
        await self._clock_watch.insist()
        return await self._sweep(self._clock.now(), slot_id, limit)

    async def _sweep(self, now: datetime, slot_id: str | None = None, limit: int = 10_000) -> Evicted:
        """What was over `now`, when the clock was looked at: it may move before the end."""
        total, failed = Evicted(), list[UUID]()
        while total.count < limit and len(failed) < _MOST_FAILURES:
            async with self._database.read() as session:
                media = MediaRepository(session)
                due = await media.list_due(now, limit=_BATCH, slot_id=slot_id, but_not=failed)
            if not due:
                break
            failed += await self._evict(due, total)
        total.failed = len(failed)
        if total.count or total.failed:
            log.info("media.evicted", count=total.count, freed_bytes=total.freed_bytes, failed=total.failed)
        return total

    async def count_due(self) -> Evicted:
        """What `evict_expired` would delete, at most 10,000 rows of it."""
        async with self._database.read() as session:
            due = await MediaRepository(session).list_due(self._clock.now(), limit=10_000)
        return Evicted(count=len(due), freed_bytes=sum(row.size_bytes for row in due))

    async def clean_slot(self, slot_id: str, actor: Actor, *, everything: bool) -> CleanupDocument:
        """Deletes what is over of a slot; `everything` removes its live results first, whatever the clock says."""
        if not everything:
            await self._clock_watch.insist()
        now = self._clock.now()
        async with self._database.write() as session:
            removed = 0
            if everything:
                removed = await jobs_in(session).remove_results(slot_id, now)
                await MediaRepository(session).expire_slot(slot_id, _whole(now))
            await record(session, self._clock, actor, "slot.cleaned", slot_id, {"removed_results": removed})
        evicted = await self._sweep(now, slot_id)
        return CleanupDocument(evicted.count, evicted.freed_bytes)

    async def set_hidden(self, job_id: UUID, actor: Actor, *, hidden: bool) -> Job:
        """Hides a photo from everybody, or shows it; showing also approves it."""
        now = self._clock.now()
        async with self._database.write() as session:
            job = await self._find(session, job_id)
            job.hidden_at = (job.hidden_at or now) if hidden else None
            job.approved_at = job.approved_at if hidden else (job.approved_at or now)
            await record(session, self._clock, actor, "job.hidden" if hidden else "job.shown", str(job_id))
        return job

    async def remove(self, job_id: UUID, actor: Actor) -> None:
        """Deletes a job's result, its renditions and its source for good."""
        now = self._clock.now()
        async with self._database.write() as session:
            job = await self._find(session, job_id)
            if job.outcome is None or job.removed_at is not None:
                raise Problem("result-not-found")
            job.removed_at = now
            media = MediaRepository(session)
            await media.expire(job_id, _whole(now))
            await jobs_in(session).release_claims(job_id)
            await record(session, self._clock, actor, "result.removed", str(job_id))
        await self.evict_job(job_id)

    async def set_expiry(self, job_id: UUID, expires_at: datetime, actor: Actor) -> Job:
        """Moves the end of a live result, at most 30 days ahead; what is over stays over."""
        now = self._clock.now()
        if not now.timestamp() - 1 <= expires_at.timestamp() <= now.timestamp() + LIFE_DAYS * 86_400:
            raise invalid("expires_at", f"must be a time from now to {LIFE_DAYS} days ahead")
        async with self._database.write() as session:
            job = await self._find(session, job_id)
            if not has_result(job, now):
                raise Problem("result-expired")
            was, job.expires_at = job.expires_at, _whole(expires_at)
            detail = {"from": was.isoformat(), "to": job.expires_at.isoformat()}
            await MediaRepository(session).set_result_expiry(job_id, job.expires_at, was=was)
            await record(session, self._clock, actor, "job.expiry_changed", str(job_id), detail)
        return job

    def evict_soon(self, job_id: UUID) -> None:
        """For the read that met an expired result: deletes it in the background, once however many met it."""
        if job_id not in self._evicting:
            self._evicting[job_id] = task = asyncio.create_task(self._evict_quietly(job_id))
            task.add_done_callback(lambda _: self._evicting.pop(job_id))

    async def settled(self) -> None:
        """Waits for evictions that `evict_soon` began."""
        await asyncio.gather(*self._evicting.values())

    async def _evict_quietly(self, job_id: UUID) -> None:
        try:
            if await self._clock_watch.moved() is None:
                await self.evict_job(job_id)
        except Exception as error:  # noqa: BLE001 – nobody waits for it, and the sweep will find it again
            log.warning("media.eviction_failed", job_id=str(job_id), error=type(error).__name__)

    async def evict_job(self, job_id: UUID) -> None:
        """Deletes what is over of one job."""
        async with self._database.read() as session:
            rows = await MediaRepository(session).list_of_job(job_id)
        now = self._clock.now()
        due = [row for row in rows if row.evicted_at is None and row.expires_at is not None and row.expires_at <= now]
        if due:
            await self._evict(due, Evicted())

    async def _evict(self, due: list[Media], total: Evicted) -> list[UUID]:
        """Deletes the objects, then marks their rows; the rows whose objects could not be deleted."""
        outcomes = await asyncio.gather(*(self._store.delete(row.object_key) for row in due), return_exceptions=True)
        failed = []
        for row, outcome in zip(due, outcomes, strict=True):
            if isinstance(outcome, StorageUnavailable):
                failed.append(row.id)
            elif outcome is not None:
                raise outcome
        async with self._database.write() as session:
            gone = [row.id for row in due if row.id not in failed]
            marked = await MediaRepository(session).mark_evicted(gone, self._clock.now())
        total.count += len(marked)  # of two sweeps that met the same object, one counts it
        total.freed_bytes += sum(row.size_bytes for row in due if row.id in marked)
        return failed

    async def _find(self, session: AsyncSession, job_id: UUID) -> Job:
        job = await jobs_in(session).find(job_id, lock=True)
        if job is None:
            raise Problem("job-not-found")
        return job


def _whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
