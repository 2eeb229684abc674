"""Opens a job for a photo that is whole in the store: the first of an ingest's three units of work."""

from datetime import datetime, timedelta

from photochanger.adapters.db.session import Database, DatabaseUnavailable
from photochanger.core.clock import Clock
from photochanger.core.errors import Problem
from photochanger.core.limits import MIB
from photochanger.features.audit.schemas import Actor
from photochanger.features.audit.service import record
from photochanger.features.ingest.dedup import claim_or_join
from photochanger.features.ingest.schemas import Post, Work
from photochanger.features.jobs.models import Job
from photochanger.features.jobs.service import add_note, jobs_in, new_job
from photochanger.features.media.service import MediaService, media_in
from photochanger.features.settings.schemas import Settings
from photochanger.features.slots.schemas import ConfiguredSlot

_CRASHED = timedelta(minutes=1)
_BOOTH_CLOCK_MINUTES = 10


class Opening:
    def __init__(self, *, database: Database, clock: Clock, media: MediaService, runner_id: str) -> None:
        self._database = database
        self._clock = clock
        self._media = media
        self._runner_id = runner_id

    async def open_or_join(self, work: Work) -> Job | None:
        """The earlier job of the same photo; None where `work`'s own is open. One transaction claims and opens."""
        job, source = work.job, work.source
        _fill(work)
        _own_source(work)
        try:
            async with self._database.write() as session:
                earlier = await claim_or_join(
                    session,
                    job,
                    key=source.key,
                    duplicate_window_seconds=work.slot.config.duplicate_window_seconds,
                    now=job.received_at,
                )
                if earlier is not None:
                    return earlier
                jobs_in(session).add(job)
                await session.flush()
                media_in(session).add([source.media])
        except DatabaseUnavailable as unavailable:
            if not await self._is_open(job, unavailable.seconds_left):  # its answer may have been lost
                raise
        except Problem:
            await self._media.discard(source.media.object_key)
            raise
        return None

    async def open_rerun(self, work: Work, actor: Actor) -> None:
        """The source stays the first job's: it lives as long as it would have."""
        _fill(work)
        async with self._database.write() as session:
            jobs_in(session).add(work.job)
            detail = {"rerun_of": str(work.job.rerun_of)}
            await record(session, self._clock, actor, "job.rerun", str(work.job.id), detail)

    async def open_test(self, work: Work, actor: Actor) -> None:
        """Claims nothing: nobody else's photo is answered with a test run's."""
        work.job.is_test = True
        _fill(work)
        _own_source(work)
        async with self._database.write() as session:
            jobs_in(session).add(work.job)
            await session.flush()
            media_in(session).add([work.source.media])
            await record(session, self._clock, actor, "slot.tested", work.job.slot_id, {"job_id": str(work.job.id)})

    async def record_refused(self, problem: Problem, post: Post, slot: ConfiguredSlot, settings: Settings) -> None:
        """A job `rejected` for an upload whose sender was right and whose bytes were not."""
        job = self.new_job(slot, settings, 0)
        job.status = "rejected"
        job.finished_at = job.received_at
        job.duration_ms = round((self._clock.monotonic() - post.started) * 1000)
        job.failure_code, job.failure_detail = problem.code, problem.detail
        async with self._database.write() as session:
            jobs_in(session).add(job)
        problem.headers["X-Job-Id"] = str(job.id)

    async def _is_open(self, job: Job, within: float) -> bool:
        async with self._database.read(within=within) as session:
            return await jobs_in(session).find(job.id) is not None

    def new_job(self, slot: ConfiguredSlot, settings: Settings, seconds_left: float) -> Job:
        return new_job(
            slot,
            runner_id=self._runner_id,
            now=self._clock.now(),
            window=timedelta(seconds=seconds_left),
            life=result_life(slot, settings),
        )


def _fill(work: Work) -> None:
    """What the source tells of its job."""
    job, source = work.job, work.source
    job.source_sha256, job.ref, job.album = source.media.sha256, source.ref, source.album
    _note_style(work.job, source.style, work.slot)
    _note_clock(work.job, source.sent_at)


def _own_source(work: Work) -> None:
    work.source.media.job_id = work.job.id
    work.source.media.expires_at = source_expiry(work.job, work.slot, work.settings)


def _note_style(job: Job, style: str | None, slot: ConfiguredSlot) -> None:
    if style is None:
        return
    if style in {known.name for known in slot.config.styles}:
        job.style = style
    else:
        add_note(job, f"The slot has no style {style!r}: its own chain was used.")


def _note_clock(job: Job, sent_at: int | None) -> None:
    """A booth whose clock is wrong prints wrong times, and may refuse our certificate one day."""
    if sent_at is None:
        return
    minutes = (sent_at - job.received_at.timestamp()) / 60
    if abs(minutes) > _BOOTH_CLOCK_MINUTES:
        direction = "ahead of" if minutes > 0 else "behind"
        add_note(job, f"The sender's clock is {abs(minutes):,.0f} minutes {direction} the server's.")


def window_seconds(slot: ConfiguredSlot, settings: Settings) -> int:
    return slot.config.sync_response_seconds or settings.sync_response_seconds


def upload_limit_bytes(slot: ConfiguredSlot, settings: Settings) -> int:
    return (slot.config.upload_limit_mb or settings.upload_limit_mb) * MIB


def result_life(slot: ConfiguredSlot, settings: Settings) -> timedelta:
    return timedelta(hours=slot.config.result_ttl_hours or settings.result_ttl_hours)


def source_life(slot: ConfiguredSlot, settings: Settings) -> timedelta | None:
    """None: as long as the result, or as one would have lived."""
    own = slot.config.source_ttl_hours
    hours = settings.source_ttl_hours if own is None else own
    return None if hours is None else timedelta(hours=hours)


def source_expiry(job: Job, slot: ConfiguredSlot, settings: Settings) -> datetime:
    """As long as nobody knows how the job ends; one of no life outlives a crash by a minute."""
    life = source_life(slot, settings)
    if life is None:
        return job.expires_at
    return (job.received_at + life if life else job.deadline_at + _CRASHED).replace(microsecond=0)
