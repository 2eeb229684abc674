"""All SQL of statistics: jobs and attempts counted, hours that are over kept."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, case, delete, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from photochanger.adapters.db.statements import insert_for
from photochanger.features.jobs.models import Attempt, Job
from photochanger.features.media.models import Media
from photochanger.features.stats.models import StatsHour, StatsProgress, StatsWaits
from photochanger.features.stats.numbers import COUNTS, EXACT_MS, LONGEST_MS, STEPS, Numbers

_COUNTED = {"done": "delivered", "failed": "failed", "timeout": "timeout", "rejected": "rejected"}
LONGEST_JOB = timedelta(minutes=15)
"""Calls of a job begin within this after it was received: they are looked for by their own time."""
_ONLY = 1


class StatsQueries:
    """`slot_id` None: every slot. Times are those at which photos were received: from `since` on, before `until`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def count(self, since: datetime, until: datetime, slot_id: str | None = None) -> dict[str, Numbers]:
        """Each slot's ended jobs, counted one by one. Test runs do not count."""
        jobs = select(Job.slot_id, Job.status, _step(), Job.cost_micros)
        ended = jobs.where(*_ended(since, until, slot_id)).subquery()
        found = select(
            ended.c.slot_id, ended.c.status, ended.c.step, func.count(), func.coalesce(func.sum(ended.c.cost_micros), 0)
        ).group_by(ended.c.slot_id, ended.c.status, ended.c.step)
        numbers: dict[str, Numbers] = defaultdict(Numbers)
        for slot, status, step, count, cost in await self._session.execute(found):
            own = numbers[slot]
            setattr(own, _COUNTED[status], getattr(own, _COUNTED[status]) + count)
            own.cost_micros += int(cost)
            if status == "done":
                own.waits[step] = count
        for slot, count in await self._count_unknown(since, until, slot_id):
            numbers[slot].cost_unknown = count
        return dict(numbers)

    async def _count_unknown(self, since: datetime, until: datetime, slot_id: str | None) -> Any:
        calls = (
            select(Job.slot_id, func.count())
            .join(Attempt, Attempt.job_id == Job.id)
            .where(Attempt.cost_micros.is_(None))
            .where(Attempt.started_at >= since - LONGEST_JOB, Attempt.started_at < until + LONGEST_JOB)
        )
        return await self._session.execute(calls.where(*_ended(since, until, slot_id)).group_by(Job.slot_id))

    async def sum_hours(self, since: datetime, until: datetime, slot_id: str | None = None) -> dict[str, Numbers]:
        """The same from whole hours that were kept."""
        sums = [func.sum(getattr(StatsHour, name)) for name in COUNTS]
        found = select(StatsHour.slot_id, *sums).where(*_kept(StatsHour, since, until, slot_id))
        numbers: dict[str, Numbers] = defaultdict(Numbers)
        for slot, *values in await self._session.execute(found.group_by(StatsHour.slot_id)):
            for name, value in zip(COUNTS, values, strict=True):
                setattr(numbers[slot], name, int(value))
        waits = select(StatsWaits.slot_id, StatsWaits.step, func.sum(StatsWaits.count))
        waits = waits.where(*_kept(StatsWaits, since, until, slot_id)).group_by(StatsWaits.slot_id, StatsWaits.step)
        for slot, step, count in await self._session.execute(waits):
            numbers[slot].waits[step] = int(count)
        return dict(numbers)

    async def keep_hours(self, since: datetime, until: datetime, hours: Mapping[datetime, dict[str, Numbers]]) -> None:
        """Puts `hours` in the place of what is kept from `since` to `until`, which is the end of what is kept."""
        counts, waits = [], []
        for hour, slots in hours.items():
            for slot, numbers in slots.items():
                place = {"hour": hour, "slot_id": slot}
                counts.append(place | {name: getattr(numbers, name) for name in COUNTS})
                waits += [place | {"step": step, "count": count} for step, count in numbers.waits.items()]
        for table, rows in ((StatsHour, counts), (StatsWaits, waits)):
            await self._session.execute(delete(table).where(*_kept(table, since, until)))
            if rows:
                await self._session.execute(insert(table), rows)
        progress = insert_for(self._session, StatsProgress).values(id=_ONLY, rolled_until=until)
        await self._session.execute(progress.on_conflict_do_update(index_elements=["id"], set_={"rolled_until": until}))

    async def rolled_until(self) -> datetime | None:
        return await self._session.scalar(select(StatsProgress.rolled_until))

    async def forget_progress(self) -> None:
        await self._session.execute(delete(StatsProgress))

    async def first_received(self, since: datetime | None = None) -> datetime | None:
        """When the first photo came, of all or since then."""
        found = select(Job.received_at).order_by(Job.received_at).limit(1)
        return await self._session.scalar(found.where(Job.received_at >= since) if since else found)

    async def first_open(self, now: datetime) -> datetime | None:
        """When the oldest photo was received whose job may still change."""
        running = await self._session.scalars(select(Job.received_at).where(Job.status == "processing"))
        late = await self._session.scalars(select(Job.received_at).where(Job.late_until > now))
        return min([*running, *late], default=None)

    async def count_processing(self, slot_id: str | None) -> dict[str, int]:
        found = select(Job.slot_id, func.count()).where(Job.status == "processing", Job.is_test.is_(False))
        if slot_id is not None:
            found = found.where(Job.slot_id == slot_id)
        rows = await self._session.execute(found.group_by(Job.slot_id))
        return {slot: count for slot, count in rows}  # noqa: C416 – a Row is no pair to mypy

    async def list_failures(self, since: datetime, slot_id: str | None, limit: int) -> list[tuple[Job, str | None]]:
        """Newest first, each with the provider that was called last."""
        provider = (
            select(Attempt.provider).where(Attempt.job_id == Job.id).order_by(Attempt.number.desc()).limit(1)
        ).scalar_subquery()
        found = (
            select(Job, func.coalesce(Job.provider, provider))
            .where(Job.failure_code.is_not(None), Job.is_test.is_(False), Job.received_at >= since)
            .order_by(Job.received_at.desc(), Job.id.desc())
            .limit(limit)
        )
        if slot_id is not None:
            found = found.where(Job.slot_id == slot_id)
        return [(job, name) for job, name in await self._session.execute(found)]

    async def sum_storage(self, slot_id: str | None) -> dict[str, int]:
        """Bytes that lie in the store, by slot; under `` what belongs to none."""
        slot = func.coalesce(Job.slot_id, "")
        found = select(slot, func.sum(Media.size_bytes)).outerjoin(Job, Job.id == Media.job_id)
        found = found.where(Media.evicted_at.is_(None)).group_by(slot)
        if slot_id is not None:
            found = found.where(Job.slot_id == slot_id)
        return {slot: int(size_bytes) for slot, size_bytes in await self._session.execute(found)}

    async def count_failing(self, since: datetime, until: datetime, codes: list[str]) -> tuple[int, int]:
        """(ended photos, those of them that ended with one of `codes`)."""
        bad = func.coalesce(func.sum(case((Job.failure_code.in_(codes), 1), else_=0)), 0)
        photos = select(func.count(), bad).where(*_ended(since, until, None))
        ended, failed = (await self._session.execute(photos)).one()
        return int(ended), int(failed)


def _ended(since: datetime, until: datetime, slot_id: str | None) -> list[ColumnElement[bool]]:
    ended = [
        *(Job.received_at >= since, Job.received_at < until),
        *(Job.status != "processing", Job.is_test.is_(False)),
        or_(Job.status != "done", Job.outcome != "late"),  # a late photo's own job: its photo was counted when it came
    ]
    return ended if slot_id is None else [*ended, Job.slot_id == slot_id]


def _kept(
    table: type[StatsHour | StatsWaits], since: datetime, until: datetime, slot_id: str | None = None
) -> list[ColumnElement[bool]]:
    hours = [table.hour >= since, table.hour < until]
    return hours if slot_id is None else [*hours, table.slot_id == slot_id]


def _step() -> ColumnElement[Any]:
    """The least milliseconds of the step in which a delivered photo's wait falls, as `numbers.step_width` has it."""
    waited = func.coalesce(Job.duration_ms, 0)
    octaves = []
    least = EXACT_MS
    while least < LONGEST_MS:
        width = least // STEPS
        octaves.append((waited < 2 * least, waited // width * width))
        least *= 2
    step = case((waited < EXACT_MS, waited), *octaves, else_=LONGEST_MS)
    return case((Job.status == "done", step), else_=None).label("step")
