"""Counts hours that are over, once and for good. Safe to run twice and on two replicas; can be done all over again."""

from datetime import datetime, timedelta

from photochanger.adapters.db.session import Database
from photochanger.adapters.db.statements import lock
from photochanger.core.clock import Clock
from photochanger.features.stats.numbers import HOUR, Numbers, hour_of
from photochanger.features.stats.queries import StatsQueries

_LAG = timedelta(minutes=10)
"""After an hour's end: the rows of its last photos have arrived, also of a process whose clock is behind."""
_AT_ONCE = 12
"""Hours in one unit of work."""


class Rollup:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def roll_up(self) -> None:
        """Counts every hour that is over and was not counted yet."""
        while await self._roll_some():
            pass

    async def rebuild(self, since: datetime | None = None) -> None:
        """Counts every hour anew, or those from `since` on. Meanwhile statistics are counted from the jobs."""
        async with self._database.write() as session:
            await lock(session, "stats")
            queries = StatsQueries(session)
            rolled = await queries.rolled_until()
            if since is None:
                await queries.forget_progress()
            elif rolled is not None and since < rolled:
                await queries.keep_hours(hour_of(since), hour_of(since), {})
        await self.roll_up()

    async def _roll_some(self) -> bool:
        """Some hours; whether there is more to do."""
        async with self._database.write() as session:
            await lock(session, "stats")
            queries = StatsQueries(session)
            since = await queries.rolled_until() or await queries.first_received()
            until = await self._counted_until(queries)
            if since is None or (since := hour_of(since)) >= until:
                return False
            hours: dict[datetime, dict[str, Numbers]] = {}
            hour = since
            while hour < until and len(hours) < _AT_ONCE:
                hours[hour] = await queries.count(hour, hour + HOUR)
                following = await queries.first_received(hour + HOUR)
                hour = min(hour_of(following), until) if following else until
            await queries.keep_hours(since, hour, hours)
            return hour < until

    async def _counted_until(self, queries: StatsQueries) -> datetime:
        """The beginning of the first hour whose numbers may still change."""
        now = self._clock.now()
        first_open = await queries.first_open(now)
        return hour_of(min(now - _LAG, first_open) if first_open else now - _LAG)
