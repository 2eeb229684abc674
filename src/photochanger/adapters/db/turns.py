"""Places for units of work, given in the order in which they are asked for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.exc import IntegrityError

from photochanger.core.clock import SystemClock
from photochanger.core.errors import Problem

WAIT_SECONDS = 2.3
"""How long a database may stand still: its 503 goes out within 2.5 s."""
REAL = SystemClock()
"""A database's own locks wait in real time, whatever a test's clock says."""


class Turns:
    """Who waits here holds no connection, and gives up when nobody was served for so long, not because many wait."""

    def __init__(self, places: int) -> None:
        self._places = asyncio.Semaphore(places)
        self._served_at = 0.0

    @asynccontextmanager
    async def taken(self, within: float | None = None) -> AsyncIterator[float]:
        """Holds one place; gives the seconds that are left for the unit of work itself.

        So whoever follows one that failed knows as soon as everybody who waited with it.
        """
        began, patience = REAL.monotonic(), WAIT_SECONDS if within is None else within
        await self._take(began, patience)
        try:
            yield self._left(began, patience)
        except (Problem, IntegrityError):  # the database answered; what it said was refused
            self._served_at = REAL.monotonic()
            raise
        else:
            self._served_at = REAL.monotonic()
        finally:
            self._places.release()

    def _left(self, began: float, patience: float) -> float:
        return max(began, self._served_at) + patience - REAL.monotonic()

    async def _take(self, began: float, patience: float) -> None:
        """Stays in line while it moves."""
        if not self._places.locked():
            await self._places.acquire()
            return
        taking = asyncio.create_task(self._places.acquire())
        try:
            while not taking.done() and (left := self._left(began, patience)) > 0:
                await asyncio.wait([taking], timeout=left)
        except BaseException:
            self._give_up(taking)
            raise
        if not taking.done():
            self._give_up(taking)
            raise TimeoutError

    def _give_up(self, taking: asyncio.Task[bool]) -> None:
        if not taking.cancel():  # it came at the same moment
            self._places.release()
