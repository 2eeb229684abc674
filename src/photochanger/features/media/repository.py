"""All SQL about stored objects, and about which results may be seen."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, or_, select, union_all, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import make_transient

from photochanger.features.jobs.models import Job
from photochanger.features.media.models import Media


class MediaRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, rows: Iterable[Media]) -> None:
        """Also those of a unit of work that failed after it had sent them: they are new again."""
        for row in rows:
            make_transient(row)
            self._session.add(row)

    async def find(self, media_id: UUID) -> Media | None:
        return await self._session.get(Media, media_id)

    async def find_of_job(self, job_id: UUID, variant: str) -> Media | None:
        found = select(Media).where(Media.job_id == job_id, Media.variant == variant)
        return await self._session.scalar(found)

    async def list_of_job(self, job_id: UUID) -> list[Media]:
        return list(await self._session.scalars(select(Media).where(Media.job_id == job_id)))

    @staticmethod
    def visible(now: datetime) -> Select[Job]:
        """The base of every list of photos: expired, hidden, removed and unapproved ones are not in it."""
        return select(Job).where(
            Job.outcome.is_not(None),
            Job.hidden_at.is_(None),
            Job.removed_at.is_(None),
            Job.approved_at.is_not(None),
            Job.is_test.is_(False),
            Job.expires_at > now,
        )

    async def list_visible(
        self, slot_ids: list[str], *, now: datetime, since: datetime | None, offset: int, limit: int
    ) -> list[Job]:
        """Newest first."""
        newest = (Job.finished_at.desc(), Job.id.desc())
        every = self.visible(now).with_only_columns(Job.id).order_by(*newest).limit(offset + limit)
        if since is not None:
            every = every.where(Job.finished_at >= since)
        of_each = union_all(*(select(every.where(Job.slot_id == slot_id).subquery()) for slot_id in slot_ids))
        found = select(Job).where(Job.id.in_(of_each)).order_by(*newest).offset(offset).limit(limit)
        return list(await self._session.scalars(found))

    async def list_due_jobs(self, slot_ids: list[str], *, now: datetime, limit: int) -> list[UUID]:
        """Jobs of these slots with something expired that still lies in the store: what expired first."""
        found = select(Job.id).join(Media, Media.job_id == Job.id).where(Job.slot_id.in_(slot_ids), *self._due(now))
        due = await self._session.scalars(found.order_by(Media.expires_at).limit(limit))
        return list(dict.fromkeys(due))

    async def list_due(
        self, now: datetime, *, limit: int, slot_id: str | None = None, but_not: Sequence[UUID] = ()
    ) -> list[Media]:
        """Objects that are over, of all slots or one, the oldest first."""
        found = select(Media).where(*self._due(now), Media.id.not_in(but_not))
        if slot_id is not None:
            found = found.join(Job, Job.id == Media.job_id).where(Job.slot_id == slot_id)
        return list(await self._session.scalars(found.order_by(Media.expires_at).limit(limit)))

    async def mark_evicted(self, media_ids: Sequence[UUID], now: datetime) -> set[UUID]:
        """Those that were not marked yet."""
        left = select(Media.id).where(Media.id.in_(media_ids), Media.evicted_at.is_(None))
        locked = left.order_by(Media.id).with_for_update()  # in one order: two sweeps never wait for each other
        marked = update(Media).where(Media.id.in_(locked), Media.evicted_at.is_(None)).values(evicted_at=now)
        return set(await self._session.scalars(marked.returning(Media.id)))

    async def expire_slot(self, slot_id: str, now: datetime) -> None:
        """Makes everything of a slot due, but of its running jobs, and of one that ended a moment ago."""
        is_over = or_(Job.outcome.is_(None), Job.removed_at.is_not(None), Job.expires_at <= now)
        ended = select(Job.id).where(Job.slot_id == slot_id, Job.status != "processing", is_over)
        await self._session.execute(
            update(Media).where(Media.job_id.in_(ended), Media.evicted_at.is_(None)).values(expires_at=now)
        )

    async def set_result_expiry(self, job_id: UUID, expires_at: datetime, *, was: datetime) -> None:
        """Moves the end of a result and its renditions, and of a source that lives as long as they do."""
        await self._session.execute(
            update(Media)
            .where(Media.job_id == job_id, Media.evicted_at.is_(None))
            .where(or_(Media.kind.in_(("result", "preview")), Media.expires_at == was))
            .values(expires_at=expires_at)
        )

    async def set_expiry(self, media_id: UUID, expires_at: datetime) -> None:
        await self._session.execute(update(Media).where(Media.id == media_id).values(expires_at=expires_at))

    async def expire(self, job_id: UUID, now: datetime) -> None:
        """Makes everything of a job due."""
        await self._session.execute(
            update(Media).where(Media.job_id == job_id, Media.evicted_at.is_(None)).values(expires_at=now)
        )

    async def known_keys(self, keys: Sequence[str]) -> set[str]:
        """Those of `keys` that a row still needs."""
        found = select(Media.object_key).where(Media.object_key.in_(keys), Media.evicted_at.is_(None))
        return set(await self._session.scalars(found))

    async def totals(self) -> Sequence[tuple[str, int, int]]:
        """kind, objects, bytes of what is stored."""
        found = select(Media.kind, func.count(), func.sum(Media.size_bytes)).where(Media.evicted_at.is_(None))
        rows = await self._session.execute(found.group_by(Media.kind))
        return [(kind, objects, int(size_bytes)) for kind, objects, size_bytes in rows]

    async def list_keys(self, *, after: str, limit: int) -> list[str]:
        found = select(Media.object_key).where(Media.evicted_at.is_(None), Media.object_key > after)
        return list(await self._session.scalars(found.order_by(Media.object_key).limit(limit)))

    @staticmethod
    def _due(now: datetime) -> tuple[Any, ...]:
        return (Media.expires_at <= now, Media.evicted_at.is_(None))
