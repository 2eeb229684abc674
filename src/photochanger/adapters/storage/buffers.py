"""Memory for parts of uploads: allocated once, lent again and again, out of one budget that all uploads share.

Who finds the budget spent waits, in the order of asking; an upload holds one buffer at a time, so nobody waits for
itself. Growing buffers instead of lending them took half as much memory again (measured).
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from photochanger.core.limits import PART_BYTES

_IDLE_PARTS = 4
"""Kept for the next uploads when nobody waits; a crowd's memory goes back to the system."""


class PartBuffers:
    def __init__(self, budget_bytes: int, *, part_bytes: int = PART_BYTES) -> None:
        """A budget below one part counts as one part: nothing could be uploaded otherwise."""
        self.part_bytes = part_bytes
        self._left = max(budget_bytes, part_bytes)
        self._idle: list[bytearray] = []
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()

    @property
    def left_bytes(self) -> int:
        return self._left

    @asynccontextmanager
    async def lend(self, size_bytes: int | None = None) -> AsyncIterator[memoryview]:
        """A whole part, or `size_bytes` where that is smaller. What is in it is anybody's: use only what you wrote."""
        wanted = self.part_bytes if size_bytes is None else max(1, min(size_bytes, self.part_bytes))
        await self._reserve(wanted)
        is_part = wanted == self.part_bytes
        buffer = self._idle.pop() if is_part and self._idle else None
        try:
            if buffer is None:
                self._make_room()
                buffer = bytearray(wanted)
            yield memoryview(buffer)
        finally:
            if is_part and buffer is not None and (self._waiting or len(self._idle) < _IDLE_PARTS):
                self._idle.append(buffer)
            self._give_back(wanted)

    def _make_room(self) -> None:
        """Idle parts go where smaller buffers have taken their share of the budget."""
        while self._idle and self._left < len(self._idle) * self.part_bytes:
            self._idle.pop()

    async def _reserve(self, wanted: int) -> None:
        if not self._waiting and self._left >= wanted:
            self._left -= wanted
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, wanted))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_back(wanted)
            else:
                self._waiting = deque(each for each in self._waiting if each[0] is not turn)
                self._call_next()
            raise

    def _give_back(self, size: int) -> None:
        self._left += size
        self._call_next()

    def _call_next(self) -> None:
        while self._waiting and self._left >= self._waiting[0][1]:
            turn, wanted = self._waiting.popleft()
            if not turn.cancelled():
                self._left -= wanted
                turn.set_result(None)
