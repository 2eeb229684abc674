"""Ends a job: bytes first, then the job, its media, attempts, album and audit in one transaction, then the notice."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from photochanger.adapters.coordination.notices import Notices
from photochanger.adapters.db.session import Database, DatabaseUnavailable
from photochanger.adapters.imaging.imaging import Rendered
from photochanger.core.clock import Clock
from photochanger.core.errors import Problem
from photochanger.features.audit.schemas import Actor
from photochanger.features.audit.service import record
from photochanger.features.galleries.service import append_to_album
from photochanger.features.ingest.opening import result_life, source_life
from photochanger.features.ingest.schemas import Answer, Ending, Work
from photochanger.features.jobs.models import Attempt, Job
from photochanger.features.jobs.schemas import ResultSummary
from photochanger.features.jobs.service import jobs_in, new_job
from photochanger.features.media.models import Media
from photochanger.features.media.retention import Retention
from photochanger.features.media.service import MediaService, media_in

_REJECTED = frozenset({"image-unreadable", "image-too-many-pixels"})


class Finish:
    def __init__(
        self, *, database: Database, clock: Clock, media: MediaService, retention: Retention, notices: Notices
    ) -> None:
        self._database = database
        self._clock = clock
        self._media = media
        self._retention = retention
        self._notices = notices

    async def begin_attempts_last(self, attempts: Sequence[Attempt]) -> None:
        """How the one before it ended is known by now, and what it cost: a crash shall not make it unknown again."""
        async with self._database.write() as session:
            for before in attempts[-2:-1]:
                await jobs_in(session).settle_attempt(before)
            jobs_in(session).begin_attempt(attempts[-1])

    async def keep(self, slot_id: str, rendered: Rendered) -> list[Media]:
        """Stores the result and its renditions; where one fails, none is left."""
        files = {
            "full": rendered.full,
            "thumb.webp": rendered.thumb_webp,
            "thumb.jpeg": rendered.thumb_jpeg,
            "screen.webp": rendered.screen_webp,
            "screen.jpeg": rendered.screen_jpeg,
        }
        tasks = [
            asyncio.create_task(
                self._media.keep("result" if variant == "full" else "preview", slot_id, file, variant=variant)
            )
            for variant, file in files.items()
        ]
        try:
            return await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            await self._media.discard(*(media.object_key for media in ended if isinstance(media, Media)))
            raise

    async def end(self, work: Work, ending: Ending, attempts: list[Attempt], *, within: float | None = None) -> Answer:
        """Ends the job once, whatever happens; raises its problem where there is nothing to hand out.

        `within`: seconds that a database that stood still before has left.
        """
        job, now = work.job, self._clock.now()
        values = self._values(work, ending, attempts, now)
        try:
            is_ended = await self._write(work, ending, attempts, values, within)
        except DatabaseUnavailable as unavailable:
            # Nothing is claimed that was not kept.
            is_ended = await self._has_arrived(job, values, unavailable.seconds_left)
            if not is_ended:
                raise
        if not is_ended:  # the sweep closed it meanwhile
            await self._media.discard(*(media.object_key for media in ending.kept))
            raise Problem("interrupted", headers={"X-Job-Id": str(job.id)})
        for name, value in values.items():
            setattr(job, name, value)
        self._notices.publish(f"job:{job.id}")
        source = work.source.media
        if work.owns_source and source.expires_at is not None and source.expires_at <= now:
            self._retention.evict_soon(job.id)
        if ending.rendered is None:
            assert ending.problem is not None  # noqa: S101 – an ending is one or the other
            ending.problem.headers["X-Job-Id"] = str(job.id)
            raise ending.problem
        return Answer(
            job=job,
            slot=work.slot,
            is_duplicate=False,
            full=ending.rendered.full,
            attempts=attempts,
            timings=work.timings,
        )

    async def end_late(self, work: Work, ending: Ending, attempts: list[Attempt]) -> None:
        """After the window: the photo enters the gallery, or nobody waits for it any more. Safe to repeat.

        Where the original was answered, those bytes stay the job's result: the photo is then a job of its own.
        """
        job, now = work.job, self._clock.now()
        values = self._values(work, ending, attempts, now)
        changed = {"cost_micros": values["cost_micros"]}
        is_own = job.outcome is not None
        if ending.kept and not is_own:
            names = ("result", "provider", "approved_at", "expires_at")
            changed |= {"outcome": "late", **{name: values[name] for name in names}}
        async with self._database.write() as session:
            is_ours = await jobs_in(session).end_late(job.id, changed)
            if is_ours:
                for attempt in attempts:
                    await jobs_in(session).settle_attempt(attempt)
                if ending.kept and not await self._is_removed(session, job):
                    shown = await self._add_late_job(session, work, values) if is_own else job
                    await self._add_result(session, work, ending, shown.id, values["expires_at"])
                actor = Actor(name=work.slot.slot_id, address=work.source.address)
                await record(session, self._clock, actor, "job.late", str(job.id), {"came": bool(ending.kept)})
            known = await media_in(session).known_keys([media.object_key for media in ending.kept])
        if not known:  # the sweep gave it up meanwhile; else this is a repetition
            await self._media.discard(*(media.object_key for media in ending.kept))
        self._notices.publish(f"job:{job.id}")

    async def _add_late_job(self, session: AsyncSession, work: Work, values: dict[str, Any]) -> Job:
        job, now = work.job, values["finished_at"]
        life = values["expires_at"] - now.replace(microsecond=0)
        late = new_job(work.slot, runner_id=job.runner_id, now=now, window=timedelta(), life=life)
        late.status, late.outcome, late.rerun_of = "done", "late", job.id
        late.ref, late.album, late.style, late.note = job.ref, job.album, job.style, job.note
        late.source_sha256 = job.source_sha256
        late.hidden_at = job.hidden_at
        late.provider, late.result, late.approved_at = values["provider"], values["result"], values["approved_at"]
        late.finished_at, late.cost_micros = now, 0
        late.duration_ms = round((now - job.received_at).total_seconds() * 1000)
        jobs_in(session).add(late)
        await session.flush()
        await jobs_in(session).move_claims(job.id, late.id)  # the photo sent again gets this one
        return late

    async def _is_removed(self, session: AsyncSession, job: Job) -> bool:
        """Somebody may have removed or hidden the original meanwhile, and means the photo."""
        current = await jobs_in(session).find(job.id, lock=True)
        if current is None or current.removed_at is not None:
            return True
        job.hidden_at = current.hidden_at
        return False

    async def _add_result(
        self, session: AsyncSession, work: Work, ending: Ending, job_id: UUID, expires_at: datetime
    ) -> None:
        for media in ending.kept:
            media.job_id, media.expires_at = job_id, expires_at
        media_in(session).add(ending.kept)
        if work.job.album is not None:
            await append_to_album(session, self._clock, work.slot.slot_id, work.job.album, job_id)

    async def _write(
        self, work: Work, ending: Ending, attempts: list[Attempt], values: dict[str, Any], within: float | None
    ) -> bool:
        job, source = work.job, work.source
        async with self._database.write(within=within) as session:
            if not await jobs_in(session).finish(job.id, values):
                return False
            for attempt in attempts:
                if ending.late_until is None or attempt.outcome != "cancelled":  # else its call goes on
                    await jobs_in(session).settle_attempt(attempt)
            if ending.kept:
                await self._add_result(session, work, ending, job.id, values["expires_at"])
            if work.owns_source:
                await media_in(session).set_expiry(source.media.id, self._source_expiry(work, values))
            if values["status"] == "rejected":
                await jobs_in(session).release_claims(job.id)
            actor = Actor(name=work.slot.slot_id, address=source.address)
            await record(session, self._clock, actor, "job.finished", str(job.id), {"status": values["status"]})
        return True

    async def _has_arrived(self, job: Job, values: dict[str, Any], within: float) -> bool:
        async with self._database.read(within=within) as session:
            found = await jobs_in(session).find(job.id)
        return found is not None and found.status == values["status"] and found.result == values["result"]

    def _source_expiry(self, work: Work, values: dict[str, Any]) -> datetime:
        """Bytes that were refused are not kept: there is nothing to make of them later either."""
        life = timedelta() if values["status"] == "rejected" else source_life(work.slot, work.settings)
        begun_at = values["finished_at"] if not life else work.job.received_at
        expires_at: datetime = values["expires_at"] if life is None else begun_at.replace(microsecond=0) + life
        work.source.media.expires_at = expires_at
        return expires_at

    def _values(self, work: Work, ending: Ending, attempts: list[Attempt], now: datetime) -> dict[str, Any]:
        problem, rendered = ending.problem, ending.rendered
        values: dict[str, Any] = {
            "status": _status(problem),
            "outcome": ending.outcome,
            "provider": ending.provider,
            "finished_at": now,
            "duration_ms": round(work.window.elapsed() * 1000),
            "failure_code": problem.code if problem else None,
            "failure_detail": problem.detail if problem else None,
            "cost_micros": sum(attempt.cost_micros or 0 for attempt in attempts),
            "late_until": ending.late_until,
            "note": work.job.note,
            "result": None,
            "expires_at": work.job.expires_at,
        }
        if rendered is not None:
            full = ending.kept[0]
            summary = ResultSummary(
                content_type=full.content_type,
                size_bytes=full.size_bytes,
                width=rendered.full.width,
                height=rendered.full.height,
                sha256=full.sha256,
            )
            values["result"] = msgspec.to_builtins(summary)
            values["expires_at"] = now.replace(microsecond=0) + result_life(work.slot, work.settings)
            values["approved_at"] = None if work.slot.config.gallery.approve_first else now
        return values


def _status(problem: Problem | None) -> str:
    if problem is None:
        return "done"
    if problem.code == "provider-timeout":
        return "timeout"
    return "rejected" if problem.code in _REJECTED else "failed"
