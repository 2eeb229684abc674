"""Places for units of work, given in the order in which they are asked for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from photochanger.core.clock import SystemClock

WAIT_SECONDS = 2.3
"""From asking for a place to the commit's answer, where the database stands still: its 503 goes out within 2.5 s."""
_MOST_WAITS = 6
_LEAST_SECONDS = 0.5
_REAL = SystemClock()
"""A database's own locks wait in real time, whatever a test's clock says."""


class Turns:
    """Who waits here holds no connection, and gives up when nobody has ended for so long, not because many wait."""

    def __init__(self, places: int) -> None:
        self._places = asyncio.Semaphore(places)
        self._ended = 0

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[float]:
        """Holds one place; gives the seconds that are left for the unit of work itself."""
        for _ in range(_MOST_WAITS):
            began, ended = _REAL.monotonic(), self._ended
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    await self._places.acquire()
                break
            except TimeoutError:
                if self._ended == ended:
                    raise
        else:
            raise TimeoutError
        try:
            yield max(_LEAST_SECONDS, WAIT_SECONDS - (_REAL.monotonic() - began))
            self._ended += 1
        finally:
            self._places.release()
