"""Statistics: what was received, how it ended, what it cost. No HTTP, no SQL.

Up to a day everything is counted anew; beyond, whole hours that are over come from `rollup`.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, cast

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from photochanger.adapters.coordination.places import Places
from photochanger.adapters.coordination.tally import Tally
from photochanger.adapters.db.session import Database
from photochanger.core.clock import Clock
from photochanger.core.errors import PROBLEMS
from photochanger.features.jobs.models import Job, Status
from photochanger.features.jobs.service import full_document, jobs_in
from photochanger.features.slots.schemas import ConfiguredSlot
from photochanger.features.slots.service import SlotService
from photochanger.features.stats.numbers import ENDS, HOUR, Numbers, hour_of, total
from photochanger.features.stats.queries import StatsQueries
from photochanger.features.stats.schemas import Active, RecentFailure, SlotsStats, SlotStats, Stats

_COUNTED_ANEW = timedelta(days=1)
_RECENT = 20
_SLOTS = 1000
_SERVER_FAULTS = [code for code, kind in PROBLEMS.items() if kind.status in (500, 504)]


class StatsService:
    def __init__(
        self, *, database: Database, clock: Clock, slots: SlotService, places: Places, receiving: Tally
    ) -> None:
        """`receiving` counts uploads by slot."""
        self._database = database
        self._clock = clock
        self._slots = slots
        self._places = places
        self._receiving = receiving

    async def system(self, window_minutes: int, slot_id: str | None, base: str) -> Stats:
        """All slots together, or one; `base` is what links begin with."""
        names = {slot.slot_id for slot in await self._list_slots(slot_id)}
        async with self._database.read() as session:
            found = await self._look(session, window_minutes, slot_id, base)
            return Stats(**await self._document(session, found, names, slot_id))

    async def slots(self, window_minutes: int, slot_id: str | None, base: str) -> SlotsStats:
        slots = await self._list_slots(slot_id)
        async with self._database.read() as session:
            found = await self._look(session, window_minutes, slot_id, base)
            items = [
                SlotStats(
                    **await self._document(session, found, {slot.slot_id}, slot.slot_id),
                    slot_id=slot.slot_id,
                    name=slot.name,
                )
                for slot in slots
            ]
        return SlotsStats(since=found.since, until=found.until, window_minutes=window_minutes, items=items)

    async def count_failing(self, span: timedelta) -> tuple[int, int]:
        """(photos of the last `span`, those of them that ended with 500 or 504)."""
        now = self._clock.now()
        async with self._database.read() as session:
            return await StatsQueries(session).count_failing(now - span, now, _SERVER_FAULTS)

    async def _list_slots(self, slot_id: str | None) -> list[ConfiguredSlot]:
        return [slot for slot in await self._slots.list_page(limit=_SLOTS) if slot_id in (None, slot.slot_id)]

    async def _look(self, session: AsyncSession, window_minutes: int, slot_id: str | None, base: str) -> "_Found":
        until = self._clock.now()
        since = until - timedelta(minutes=window_minutes)
        queries = StatsQueries(session)
        return _Found(
            since=since,
            until=until,
            window_minutes=window_minutes,
            base=base,
            numbers=await numbers_between(queries, since, until, slot_id),
            processing=await queries.count_processing(slot_id),
            storage=await queries.sum_storage(slot_id),
        )

    async def _document(
        self, session: AsyncSession, found: "_Found", slots: set[str], slot_id: str | None
    ) -> dict[str, Any]:
        """Of these slots; `slot_id` where it is one alone."""
        numbers = total(own for slot, own in found.numbers.items() if slot in slots)
        has_failures = numbers.received > numbers.delivered
        failures = await StatsQueries(session).list_failures(found.since, slot_id, _RECENT) if has_failures else []
        return {
            **{name: getattr(found, name) for name in ("since", "until", "window_minutes")},
            **_shown(numbers),
            "active": self._active(found, slots),
            "storage_bytes": sum(size for slot, size in found.storage.items() if slot_id is None or slot in slots),
            "recent_jobs": [
                full_document(job, found.base, found.until)
                for job in await jobs_in(session).list_page(slot_id=slot_id, limit=_RECENT)
            ],
            "recent_failures": [_failure(job, provider) for job, provider in failures],
        }

    def _active(self, found: "_Found", slots: Iterable[str]) -> Active:
        """A waiting job is `processing` in the database: this process's are told apart, others' are not."""
        waiting = {slot: self._places.waiting(f"slot:{slot}") for slot in slots}
        return Active(
            receiving=sum(self._receiving.count(slot) for slot in waiting),
            waiting=sum(waiting.values()),
            processing=sum(max(0, found.processing.get(slot, 0) - count) for slot, count in waiting.items()),
        )


class _Found(Struct, kw_only=True):
    since: datetime
    until: datetime
    window_minutes: int
    base: str
    numbers: dict[str, Numbers]
    processing: dict[str, int]
    storage: dict[str, int]


async def numbers_between(
    queries: StatsQueries, since: datetime, until: datetime, slot_id: str | None
) -> dict[str, Numbers]:
    first, last = hour_of(since + HOUR), hour_of(until)  # a window that begins with an hour counts it anew
    rolled = await queries.rolled_until() if until - since > _COUNTED_ANEW else None
    if rolled is None or (last := min(last, rolled)) <= first:
        return await queries.count(since, until, slot_id)
    parts = [
        await queries.count(since, first, slot_id),
        await queries.sum_hours(first, last, slot_id),
        await queries.count(last, until, slot_id),
    ]
    return {slot: total(part[slot] for part in parts if slot in part) for slot in set().union(*parts)}


def _shown(numbers: Numbers) -> dict[str, Any]:
    received, delivered = numbers.received, numbers.delivered
    counts = {name: getattr(numbers, name) for name in ENDS}
    return {
        "received": received,
        **counts,
        **{f"{name}_share": count / received if received else None for name, count in counts.items()},
        "p50_ms": numbers.percentile(0.5),
        "p95_ms": numbers.percentile(0.95),
        "cost_micros": numbers.cost_micros,
        "cost_unknown": numbers.cost_unknown,
        "cost_per_delivered_micros": round(numbers.cost_micros / delivered) if delivered else None,
    }


def _failure(job: Job, provider: str | None) -> RecentFailure:
    return RecentFailure(
        code=job.failure_code or "",
        detail=job.failure_detail or "",
        job_id=str(job.id),
        slot_id=job.slot_id,
        status=cast("Status", job.status),
        started_at=job.received_at,
        provider=provider,
    )
