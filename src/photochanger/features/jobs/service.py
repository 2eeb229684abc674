"""Decisions about jobs that have been opened: what they look like to whom. Opening and running one is `ingest`."""

from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

import msgspec
from msgspec import UNSET
from sqlalchemy.ext.asyncio import AsyncSession

from photochanger.adapters.db.session import Database
from photochanger.core.clock import Clock
from photochanger.core.errors import Problem
from photochanger.core.ids import new_id, new_token
from photochanger.core.paging import Cursors, Page
from photochanger.features.jobs.models import Attempt, Job, Outcome, Status
from photochanger.features.jobs.repository import JobRepository
from photochanger.features.jobs.schemas import (
    AttemptDocument,
    FailureDocument,
    JobDocument,
    ResultDocument,
    ResultSummary,
)
from photochanger.features.prices.service import PriceBook
from photochanger.features.slots.links import result_url
from photochanger.features.slots.schemas import ConfiguredSlot

_LISTING = "jobs"
_AT_ONCE = 200


class JobService:
    def __init__(self, database: Database, clock: Clock, cursors: Cursors) -> None:
        self._database = database
        self._clock = clock
        self._cursors = cursors

    async def get(self, job_id: UUID, *, past: bool = False) -> Job:
        """Raises `job-not-found`, also when its time is over unless `past`."""
        async with self._database.read() as session:
            job = await JobRepository(session).find(job_id)
        if job is None or not (past or job.status == "processing" or job.expires_at > self._clock.now()):
            raise Problem("job-not-found")
        return job

    async def find_for_result(self, job_id: UUID) -> Job:
        """The job behind a result's address, also past its time; `result-not-found` when there is none."""
        async with self._database.read() as session:
            job = await JobRepository(session).find(job_id)
        if job is None:
            raise Problem("result-not-found")
        return job

    async def list_attempts(self, job_id: UUID) -> list[Attempt]:
        async with self._database.read() as session:
            return await JobRepository(session).list_attempts(job_id)

    async def list_page(
        self,
        *,
        slot_id: str | None = None,
        status: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        limit: int,
    ) -> Page[Job]:
        """Newest first; test runs are not jobs anybody sent."""
        position = self._cursors.decode(_LISTING, cursor)
        async with self._database.read() as session:
            jobs = await JobRepository(session).list_page(
                slot_id=slot_id,
                status=status,
                since=since,
                until=until,
                before=UUID(position) if position else None,
                limit=limit + 1,
            )
        more = len(jobs) > limit
        jobs = jobs[:limit]
        return Page(jobs, self._cursors.encode(_LISTING, str(jobs[-1].id)) if more else None)

    async def sum_spent(self, slot_id: str, since: datetime) -> int:
        """What a slot's photos received since then have cost, as far as it is known; test runs cost, too."""
        async with self._database.read() as session:
            return await JobRepository(session).sum_spent(slot_id, since)

    async def recompute_costs(self, book: PriceBook, since: datetime, until: datetime) -> int:
        """Writes the ledger of calls that brought a picture anew, as `book` has it; of how many jobs.

        What the book cannot price, and calls without a picture, keep what they have.
        """
        changed, after = 0, UUID(int=0)
        while True:
            async with self._database.write() as session:
                jobs = JobRepository(session)
                attempts = await jobs.list_delivered(since, until, after, _AT_ONCE)
                touched = {attempt.job_id for attempt in attempts if _priced_anew(attempt, book)}
                await session.flush()
                await jobs.sum_costs(touched)
            changed += len(touched)
            if len(attempts) < _AT_ONCE:
                return changed
            after = attempts[-1].id


def _priced_anew(attempt: Attempt, book: PriceBook) -> bool:
    """Whether the attempt costs something else now."""
    cost = book.cost(attempt.provider, attempt.model, attempt.usage, attempt.started_at)
    if cost is None or cost == attempt.cost_micros:
        return False
    attempt.cost_micros = cost
    return True


def jobs_in(session: AsyncSession) -> JobRepository:
    """Jobs inside another feature's unit of work: ingest opens and ends them together with media, album and audit."""
    return JobRepository(session)


def new_job(slot: ConfiguredSlot, *, runner_id: str, now: datetime, window: timedelta, life: timedelta) -> Job:
    return Job(
        id=new_id(now),
        slot_id=slot.slot_id,
        slot_version=slot.version,
        runner_id=runner_id,
        link_token=new_token(),
        status="processing",
        received_at=now,
        deadline_at=now + window,
        expires_at=now.replace(microsecond=0) + life,
        is_test=False,
    )


def new_attempt(
    job_id: UUID, *, number: int, step: int, provider: str, model: str | None, now: datetime, cost_micros: int | None
) -> Attempt:
    """`cancelled` until it is known how it ended."""
    return Attempt(
        id=new_id(now),
        job_id=job_id,
        number=number,
        step=step,
        provider=provider,
        model=model,
        started_at=now,
        outcome="cancelled",
        cost_micros=cost_micros,
    )


def add_note(job: Job, text: str) -> None:
    """What an administrator should know, beside what is noted already."""
    job.note = " ".join(filter(None, [job.note, text]))


def is_running(job: Job) -> bool:
    """Also after its window, while its photo may still come."""
    return job.status == "processing" or job.late_until is not None


def has_result(job: Job, now: datetime) -> bool:
    """Whether there is a result that its sender may have, hidden or not."""
    return job.outcome is not None and job.removed_at is None and job.expires_at > now


def job_document(
    job: Job, now: datetime, *, link: str, attempts: list[Attempt] | None = None, full: bool = False
) -> JobDocument:
    """`link` is the address of the job's result, with its token where the asker may have it."""
    document = JobDocument(
        job_id=str(job.id),
        slot_id=job.slot_id,
        status=cast("Status", job.status),
        outcome=cast("Outcome | None", job.outcome),
        started_at=job.received_at,
        finished_at=job.finished_at,
        duration_ms=job.duration_ms,
        failure=FailureDocument(job.failure_code, job.failure_detail or "") if job.failure_code else None,
        result=result_document(job, link) if has_result(job, now) and (full or job.hidden_at is None) else None,
        provider=job.provider,
        rerun_of=str(job.rerun_of) if job.rerun_of else None,
    )
    if not full:
        return document
    return msgspec.structs.replace(
        document,
        ref=job.ref or UNSET,
        style=job.style or UNSET,
        note=job.note or UNSET,
        hidden=job.hidden_at is not None,
        approved=job.approved_at is not None,
        expires_at=job.expires_at,
        cost_micros=job.cost_micros,
        attempts=UNSET if attempts is None else [attempt_document(attempt) for attempt in attempts],
    )


def full_document(job: Job, base: str, now: datetime) -> JobDocument:
    """What an administrator sees in a list and after a change; `base` is what an absolute link begins with."""
    return job_document(job, now, link=result_url(base, job.id, token=job.link_token), full=True)


def result_summary(job: Job) -> ResultSummary:
    return msgspec.convert(job.result, ResultSummary)


def result_document(job: Job, url: str) -> ResultDocument:
    return ResultDocument(**msgspec.structs.asdict(result_summary(job)), url=url, expires_at=job.expires_at)


def attempt_document(attempt: Attempt) -> AttemptDocument:
    return AttemptDocument(**{name: getattr(attempt, name) for name in AttemptDocument.__struct_fields__})
