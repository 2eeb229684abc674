"""Brings what is there back to what should be. Safe to run twice, on two replicas, or in the middle of a crash.

What belongs to a dead process is closed at once; everything else only when it is long past its time.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import structlog
from msgspec import Struct

from photochanger.adapters.coordination.notices import Notices
from photochanger.adapters.db.session import Database
from photochanger.adapters.storage.store import ObjectStore, StoredObject
from photochanger.core.clock import Clock
from photochanger.core.errors import PROBLEMS
from photochanger.features.audit.schemas import Actor
from photochanger.features.audit.service import record
from photochanger.features.clock.service import ClockWatch
from photochanger.features.jobs.runners import RunnerRegistry
from photochanger.features.jobs.service import jobs_in
from photochanger.features.media.keys import made_at, runner_of
from photochanger.features.media.service import media_in

JOB_GRACE = timedelta(seconds=30)
UPLOAD_GRACE = timedelta(minutes=3)
OBJECT_GRACE = timedelta(hours=1)
_BATCH = 500
_CLOSED_AT_ONCE = 100
_RECENT = timedelta(minutes=15)
_LONG = timedelta(days=365)
_NEVER = datetime(1, 1, 1, tzinfo=UTC)

log = structlog.get_logger()


class Reconciled(Struct):
    jobs_closed: int = 0
    uploads_aborted: int = 0
    objects_deleted: int = 0
    objects_missing: int = 0
    runners_forgotten: int = 0

    @property
    def changed(self) -> bool:
        return any((self.jobs_closed, self.uploads_aborted, self.objects_deleted, self.runners_forgotten))


class Reconciler:
    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        clock_watch: ClockWatch,
        store: ObjectStore,
        runners: RunnerRegistry,
        notices: Notices,
    ) -> None:
        self._database = database
        self._clock = clock
        self._clock_watch = clock_watch
        self._store = store
        self._runners = runners
        self._notices = notices

    async def reconcile(self, *, whole_store: bool) -> Reconciled:
        """`whole_store` also walks the store when nobody died, for objects without a row and rows without an object.

        While the clock is in doubt, only jobs of this machine's dead processes are closed: a free lock proves it.
        """
        done, now = Reconciled(), self._clock.now()  # one time for all: the clock may move after it was looked at
        is_trusted = await self._clock_watch.moved() is None
        dead = await self._close_dead(now, done, is_trusted=is_trusted)
        if not is_trusted:
            return done
        await self._forget_claims(now, _LONG if whole_store else _RECENT)
        await self._abort_uploads(now, dead, done)
        if dead or whole_store:
            await self._delete_orphans(now, dead, done)
        if whole_store:
            await self._report_missing(done)
        if dead:
            await self._runners.forget(dead)
            done.runners_forgotten = len(dead)
        if done.changed:
            log.info("maintenance.reconciled", **{name: getattr(done, name) for name in done.__struct_fields__})
        return done

    async def close_interrupted(self) -> None:
        """What has to be true before the first request: no job of a dead process runs. Walks nothing."""
        now = self._clock.now()
        await self._close_dead(now, Reconciled(), is_trusted=await self._clock_watch.moved() is None)

    async def _close_dead(self, now: datetime, done: Reconciled, *, is_trusted: bool) -> list[str]:
        """The dead, whose jobs are closed, like those long past their time where the clock can be trusted."""
        dead = await self._runners.list_dead(by_heartbeat=is_trusted)
        overdue = now - JOB_GRACE if is_trusted else _NEVER
        while await self._close_some_jobs(dead, overdue, done) == _CLOSED_AT_ONCE:
            pass
        return dead

    async def _close_some_jobs(self, dead: list[str], overdue: datetime, done: Reconciled) -> int:
        now = self._clock.now()
        interrupted = PROBLEMS["interrupted"]
        async with self._database.write() as session:
            jobs = jobs_in(session)
            closed = await jobs.list_abandoned(dead, overdue=overdue, limit=_CLOSED_AT_ONCE)
            for job in closed:
                duration_ms = max(0, round((now - job.received_at).total_seconds() * 1000))
                values = {
                    "status": "failed",
                    "failure_code": "interrupted",
                    "failure_detail": interrupted.detail,
                    "finished_at": now,
                    "duration_ms": duration_ms,
                }
                if await jobs.finish(job.id, values):
                    done.jobs_closed += 1
                    await record(session, self._clock, Actor.system(), "job.interrupted", str(job.id))
            if closed:
                await jobs.sum_costs([job.id for job in closed])
            given_up = await jobs.give_up_late(dead, overdue=overdue)
        for job_id in (*(job.id for job in closed), *given_up):
            self._notices.publish(f"job:{job_id}")
        return len(closed)

    async def _forget_claims(self, now: datetime, back: timedelta) -> None:
        async with self._database.write() as session:
            await jobs_in(session).delete_dead_claims(now, since=now - back)

    async def _abort_uploads(self, now: datetime, dead: list[str], done: Reconciled) -> None:
        async for upload in self._store.open_uploads():
            if runner_of(upload.key) in dead or upload.started_at < now - UPLOAD_GRACE:
                await self._store.abort(upload)
                done.uploads_aborted += 1

    async def _delete_orphans(self, now: datetime, dead: list[str], done: Reconciled) -> None:
        """Objects that no row names: of a dead process at once, of others after the grace hour."""
        oldest = now - OBJECT_GRACE
        async for batch in _batches(self._store.list()):
            suspects = [
                found.key
                for found in batch
                if runner_of(found.key) in dead or (made_at(found.key) or found.modified_at) < oldest
            ]
            async with self._database.read() as session:
                known = await media_in(session).known_keys(suspects)
            for key in suspects:
                if key not in known:
                    await self._store.delete(key)
                    done.objects_deleted += 1

    async def _report_missing(self, done: Reconciled) -> None:
        after = ""
        while True:
            async with self._database.read() as session:
                keys = await media_in(session).list_keys(after=after, limit=_BATCH)
            for key in keys:
                if await self._store.head(key) is None and await self._is_still_needed(key):
                    done.objects_missing += 1
                    log.error("media.object_missing", object_key=key)
            if len(keys) < _BATCH:
                return
            after = keys[-1]

    async def _is_still_needed(self, key: str) -> bool:
        """Again, because it may have been evicted between the two looks."""
        async with self._database.read() as session:
            return bool(await media_in(session).known_keys([key]))


async def _batches(objects: AsyncIterator[StoredObject]) -> AsyncIterator[list[StoredObject]]:
    batch: list[StoredObject] = []
    async for found in objects:
        batch.append(found)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
