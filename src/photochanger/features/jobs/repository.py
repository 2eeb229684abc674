"""All SQL about jobs, their claims, attempts and runners."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, delete, func, literal_column, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from photochanger.adapters.db.statements import insert_for
from photochanger.core.ids import first_id, last_id
from photochanger.features.jobs.models import Attempt, Job, JobClaim, Runner

_MOST_DEAD = 2_000
"""Claims that are deleted at once."""


class JobRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def find(self, job_id: UUID, *, lock: bool = False) -> Job | None:
        """`lock`: nobody else changes it until the unit of work ends."""
        return await self._session.get(Job, job_id, with_for_update=lock or None)

    def add(self, job: Job) -> None:
        self._session.add(job)

    async def finish(self, job_id: UUID, values: dict[str, Any]) -> bool:
        """Ends a running job; False where it has ended already."""
        statement = update(Job).where(Job.id == job_id, Job.status == "processing").values(values).returning(Job.id)
        return (await self._session.execute(statement)).first() is not None

    async def end_late(self, job_id: UUID, values: dict[str, Any]) -> bool:
        """Ends the wait for a late photo; False where somebody has ended it."""
        is_late = (Job.id == job_id, Job.late_until.is_not(None))
        ended = update(Job).where(*is_late).values(values | {"late_until": None}).returning(Job.id)
        return (await self._session.execute(ended)).first() is not None

    async def give_up_late(self, dead_runners: list[str], *, overdue: datetime) -> list[UUID]:
        """Ends the wait for photos whose process is dead, or whose time was over before `overdue`."""
        abandoned = or_(Job.runner_id.in_(dead_runners), Job.late_until < overdue)
        given_up = update(Job).where(Job.late_until.is_not(None), abandoned).values(late_until=None)
        return list(await self._session.scalars(given_up.returning(Job.id)))

    async def change(self, job_id: UUID, values: dict[str, Any]) -> None:
        await self._session.execute(update(Job).where(Job.id == job_id).values(values))

    async def list_page(
        self,
        *,
        slot_id: str | None = None,
        status: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        before: UUID | None = None,
        limit: int,
    ) -> list[Job]:
        """Newest first. Ids begin with their time, so they are the sort key."""
        found = select(Job).where(Job.is_test.is_(False)).order_by(Job.id.desc()).limit(limit)
        if slot_id is not None:
            found = found.where(Job.slot_id == slot_id)
        if status is not None:
            found = found.where(Job.status == status)
        if since is not None:
            found = found.where(Job.received_at >= since, Job.id >= first_id(since))
        if until is not None:
            found = found.where(Job.received_at < until, Job.id <= last_id(until))
        if before is not None:
            found = found.where(Job.id < before)
        return list(await self._session.scalars(found))

    async def remove_results(self, slot_id: str, now: datetime) -> int:
        """Removes the live results of a slot's ended jobs; how many."""
        live = (Job.status != "processing", Job.outcome.is_not(None), Job.removed_at.is_(None), Job.expires_at > now)
        removed = update(Job).where(Job.slot_id == slot_id, *live).values(removed_at=now).returning(Job.id)
        return len((await self._session.scalars(removed)).all())

    async def list_abandoned(self, dead_runners: list[str], *, overdue: datetime, limit: int) -> list[Job]:
        """Running jobs whose process is dead, or whose deadline was before `overdue`."""
        abandoned = or_(Job.runner_id.in_(dead_runners), Job.deadline_at < overdue)
        found = select(Job).where(Job.status == "processing", abandoned).limit(limit)
        return list(await self._session.scalars(found.with_for_update(skip_locked=True)))

    async def claim(self, slot_id: str, kind: str, value: str, *, job_id: UUID, expires_at: datetime | None) -> bool:
        """Makes the claim; False where somebody has it."""
        statement = (
            insert_for(self._session, JobClaim)
            .values(slot_id=slot_id, kind=kind, value=value, job_id=job_id, expires_at=expires_at)
            .on_conflict_do_nothing()
            .returning(JobClaim.job_id)
        )
        return (await self._session.execute(statement)).first() is not None

    async def find_claim(self, slot_id: str, kind: str, value: str) -> JobClaim | None:
        """Locked until the unit of work ends."""
        return await self._session.scalar(
            select(JobClaim)
            .where(JobClaim.slot_id == slot_id, JobClaim.kind == kind, JobClaim.value == value)
            .with_for_update()
        )

    async def move_claims(self, job_id: UUID, to: UUID) -> None:
        await self._session.execute(update(JobClaim).where(JobClaim.job_id == job_id).values(job_id=to))

    async def release_claims(self, job_id: UUID) -> None:
        own = select(JobClaim.value).where(JobClaim.job_id == job_id)
        in_order = own.order_by(JobClaim.kind.desc())  # as `claim_or_join` takes them
        await self._session.execute(in_order.with_for_update())
        await self._session.execute(delete(JobClaim).where(JobClaim.job_id == job_id))

    async def delete_dead_claims(self, now: datetime, *, since: datetime) -> None:
        """Claims whose own time is over; those without one, whose job's result came to its end after `since`.

        One that is missed harms nothing: who wants it looks at its job, and takes it over.
        """
        key = (JobClaim.slot_id, JobClaim.kind, JobClaim.value)
        is_over = and_(Job.status != "processing", Job.late_until.is_(None))
        ended = select(*key).join(Job, Job.id == JobClaim.job_id).where(is_over)
        past = ended.where(JobClaim.expires_at <= now).order_by(JobClaim.expires_at)
        without = ended.where(JobClaim.expires_at.is_(None)).order_by(Job.expires_at)
        for dead in (past, without.where(Job.expires_at <= now, Job.expires_at > since)):
            locked = dead.limit(_MOST_DEAD).with_for_update(of=JobClaim, skip_locked=True)
            keys = [tuple(row) for row in await self._session.execute(locked)]
            await self._session.execute(delete(JobClaim).where(tuple_(*key).in_(keys)))

    def begin_attempt(self, attempt: Attempt) -> None:
        self._session.add(attempt)

    async def settle_attempt(self, attempt: Attempt) -> None:
        """Also one that was never begun: its step was skipped."""
        await self._session.merge(attempt)

    async def list_delivered(self, since: datetime, until: datetime, after: UUID, limit: int) -> list[Attempt]:
        """Calls begun in that time that brought a picture, in the order of their ids."""
        found = select(Attempt).where(Attempt.started_at >= since, Attempt.started_at < until)
        found = found.where(Attempt.id > max(after, first_id(since)), Attempt.id <= last_id(until))
        found = found.where(Attempt.outcome == "delivered").order_by(Attempt.id).limit(limit)
        return list(await self._session.scalars(found.with_for_update()))

    async def sum_costs(self, job_ids: Collection[UUID]) -> None:
        """A job costs what its calls cost; unknown ones count as 0."""
        own = select(func.coalesce(func.sum(Attempt.cost_micros), 0)).where(Attempt.job_id == Job.id)
        jobs = update(Job).where(Job.id.in_(job_ids), Job.status != "processing")
        await self._session.execute(
            jobs.values(cost_micros=own.scalar_subquery()).execution_options(synchronize_session=False)
        )

    async def sum_spent(self, slot_id: str, since: datetime) -> int:
        """What its jobs received since then have cost: running ones, and unknown costs, count as 0."""
        place = (Job.slot_id, Job.received_at)  # together: nobody else's jobs of that time are looked at
        begins = tuple_(slot_id, since, types=[column.type for column in place])
        costs = Job.cost_micros > literal_column("0")  # in words, as the index has it
        paid = (Job.slot_id == slot_id, tuple_(*place) >= begins, costs)
        return int(await self._session.scalar(select(func.sum(Job.cost_micros)).where(*paid)) or 0)

    async def list_attempts(self, job_id: UUID) -> list[Attempt]:
        found = select(Attempt).where(Attempt.job_id == job_id).order_by(Attempt.number)
        return list(await self._session.scalars(found))


class RunnerRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def beat(self, runner_id: str, home: str, now: datetime) -> None:
        statement = insert_for(self._session, Runner).values(runner_id=runner_id, home=home, beat_at=now)
        await self._session.execute(
            statement.on_conflict_do_update(index_elements=["runner_id"], set_={"beat_at": now})
        )

    async def list_all(self) -> list[Runner]:
        return list(await self._session.scalars(select(Runner)))

    async def delete(self, runner_ids: list[str]) -> None:
        await self._session.execute(delete(Runner).where(Runner.runner_id.in_(runner_ids)))
