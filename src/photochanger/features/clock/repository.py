"""All SQL about the last seen wall time."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from photochanger.adapters.db.statements import insert_for
from photochanger.features.clock.models import SeenTime

_KEY = "global"


class SeenTimeRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def find(self) -> datetime | None:
        return await self._session.scalar(select(SeenTime.seen_at).where(SeenTime.key == _KEY))

    async def advance(self, seen_at: datetime, *, was: datetime | None) -> None:
        """Nothing where somebody else was faster: what was confirmed meanwhile stays."""
        if was is None:
            first = insert_for(self._session, SeenTime).values(key=_KEY, seen_at=seen_at)
            await self._session.execute(first.on_conflict_do_nothing())
            return
        same = update(SeenTime).where(SeenTime.key == _KEY, SeenTime.seen_at == was)
        await self._session.execute(same.values(seen_at=seen_at))

    async def replace(self, seen_at: datetime) -> None:
        row = insert_for(self._session, SeenTime).values(key=_KEY, seen_at=seen_at)
        await self._session.execute(row.on_conflict_do_update(index_elements=["key"], set_={"seen_at": seen_at}))
