"""Whether this machine's clock can be believed when it says that something is over.

A clock that is set wrong makes every photo look old, and what is deleted does not come back when the clock is right
again. So the last trusted time is kept, and a clock that moved against it deletes nothing until somebody has looked.
"""

from datetime import datetime, timedelta

import structlog

from photochanger.adapters.db.session import Database
from photochanger.core.clock import Clock
from photochanger.core.errors import Problem
from photochanger.features.audit.schemas import Actor
from photochanger.features.audit.service import record
from photochanger.features.clock.repository import SeenTimeRepository
from photochanger.features.clock.schemas import ClockDocument

MOST = timedelta(hours=1)
ADVICE = (
    "If the clock is right now, run `photochanger reconcile --accept-clock` on this machine; "
    "if not, set it right: deletion goes on by itself."
)

log = structlog.get_logger()


class ClockWatch:
    """Compares the clock with the last trusted time and what the monotonic clock counted since this process knew it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known: tuple[datetime, float] | None = None
        self._is_doubted = False

    async def moved(self) -> timedelta | None:
        """How far the clock is from where it should be; None where it can be trusted."""
        async with self._database.read() as session:
            seen_at = await SeenTimeRepository(session).find()
        return _doubtful(self._distance(seen_at))

    async def insist(self) -> None:
        """Raises where nothing may be deleted because its time is over."""
        moved = await self.moved()
        if moved is not None:
            raise Problem("clock-moved", f"{sentence(moved)} {ADVICE}")

    async def keep(self) -> None:
        """Writes a trusted time down; says in the log when trust ends and when it is back."""
        now = self._clock.now()
        async with self._database.write() as session:
            times = SeenTimeRepository(session)
            seen_at = await times.find()
            moved = _doubtful(self._distance(seen_at))
            if moved is None:
                await times.advance(now, was=seen_at)
        if moved is None:
            self._distance(now)
        self._tell(moved)

    async def accept(self, actor: Actor) -> ClockDocument:
        """Somebody has looked: the time of this machine is the right one."""
        now = self._clock.now()
        async with self._database.write() as session:
            times = SeenTimeRepository(session)
            moved = _doubtful(self._distance(await times.find())) or timedelta()
            await times.replace(now)
            document = ClockDocument(now=now, moved_seconds=round(moved.total_seconds()))
            await record(session, self._clock, actor, "clock.accepted", "", {"moved_seconds": document.moved_seconds})
        return document

    def _distance(self, seen_at: datetime | None) -> timedelta:
        if seen_at is None:
            return timedelta()
        if self._known is None or self._known[0] != seen_at:
            self._known = seen_at, self._clock.monotonic()
        passed = timedelta(seconds=self._clock.monotonic() - self._known[1])
        return self._clock.now() - (seen_at + passed)

    def _tell(self, moved: timedelta | None) -> None:
        if moved is not None and not self._is_doubted:
            log.error("clock.moved", moved_seconds=round(moved.total_seconds()), advice=ADVICE)
        if moved is None and self._is_doubted:
            log.info("clock.trusted")
        self._is_doubted = moved is not None


def sentence(moved: timedelta) -> str:
    """For people, on whatever page or terminal they look."""
    hours = abs(moved.total_seconds()) / 3600
    direction = "forward" if moved > timedelta() else "back"
    return f"This machine's clock has moved {direction} by {hours:,.1f} hours: nothing expired is deleted."


def _doubtful(distance: timedelta) -> timedelta | None:
    return distance if abs(distance) > MOST else None
