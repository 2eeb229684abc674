"""Photos that wait to be sent: those that guests wait for first."""

import asyncio
from collections import deque

from photochanger.booth.record import Entry


class Line:
    def __init__(self) -> None:
        self._live: deque[Entry] = deque()
        self._old: deque[Entry] = deque()
        self._changed = asyncio.Condition()

    async def put(self, entry: Entry, *, is_live: bool) -> None:
        async with self._changed:
            (self._live if is_live else self._old).append(entry)
            self._changed.notify_all()

    async def take(self, *, only_live: bool) -> Entry:
        async with self._changed:
            await self._changed.wait_for(lambda: self._live or (self._old and not only_live))
            return (self._live or self._old).popleft()
