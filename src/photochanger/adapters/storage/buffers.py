"""Memory for parts of uploads: allocated once, lent again and again, out of one budget that all uploads share.

Who finds the budget spent waits, in the order of asking; an upload holds one buffer at a time, so nobody waits for
itself. While somebody waits, senders who keep a buffer and hardly fill it are cut. Growing buffers instead of lending
them took half as much memory again (measured).
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager

from photochanger.core.clock import Clock
from photochanger.core.errors import Problem
from photochanger.core.limits import PART_BYTES

_IDLE_PARTS = 4
"""Kept for the next uploads when nobody waits; a crowd's memory goes back to the system."""
_LOOK_SECONDS = 0.25
_STALL_SECONDS = 2.0
_WINDOW_SECONDS = 60
"""The longest: who would not fill a part in it is slow."""


class Loan:
    """A buffer, and how its sender fills it. What is in it is anybody's: use only what you wrote."""

    def __init__(self, buffer: memoryview, clock: Clock) -> None:
        self.buffer = buffer
        self.limit = asyncio.timeout(None)
        self._clock = clock
        self._waiting_since: float | None = None
        self._waited = 0.0
        self._bytes = 0

    async def watch(self, chunks: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
        """The same bytes. What goes into the buffer has to come through here."""
        rest = aiter(chunks)
        while True:
            self._waiting_since = self._clock.monotonic()
            chunk = await anext(rest, None)
            self._waited += self._clock.monotonic() - self._waiting_since
            self._waiting_since = None
            if chunk is None:
                return
            self._bytes += len(chunk)
            yield chunk

    def slowness(self, least_rate: float) -> float:
        """Seconds waited for each byte, where its sender is waited for and has lately been below `least_rate`; else 0.
        Our own work, and the store's, is not the sender's fault.
        """
        now = self._clock.monotonic()
        waited = self._waited + now - (self._waiting_since if self._waiting_since is not None else now)
        if self._waiting_since is None or waited < _STALL_SECONDS:
            return 0.0
        if self._bytes < least_rate * waited:
            return waited / max(1, self._bytes)
        self._waiting_since, self._waited, self._bytes = now, 0.0, 0
        return 0.0

    @property
    def is_cut(self) -> bool:
        return self.limit.expired()

    def cut(self) -> None:
        if not self.is_cut:
            self.limit.reschedule(0)


class PartBuffers:
    def __init__(self, budget_bytes: int, *, clock: Clock, part_bytes: int = PART_BYTES) -> None:
        """A budget below one part counts as one part: nothing could be uploaded otherwise."""
        self.part_bytes = part_bytes
        self._clock = clock
        self._loans: set[Loan] = set()
        self._is_looking = False
        self._left = max(budget_bytes, part_bytes)
        self._idle: list[bytearray] = []
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()

    @property
    def left_bytes(self) -> int:
        return self._left

    @asynccontextmanager
    async def lend(self, size_bytes: int | None = None) -> AsyncIterator[Loan]:
        """A whole part, or `size_bytes` where that is smaller. `upload-too-slow` when it is taken away."""
        wanted = self.part_bytes if size_bytes is None else max(1, min(size_bytes, self.part_bytes))
        await self._reserve(wanted)
        is_part = wanted == self.part_bytes
        buffer = self._idle.pop() if is_part and self._idle else None
        loan = None
        try:
            if buffer is None:
                self._make_room()
                buffer = bytearray(wanted)
            loan = Loan(memoryview(buffer), self._clock)
            self._loans.add(loan)
            async with loan.limit:
                yield loan
        except TimeoutError:
            if loan is None or not loan.is_cut:
                raise
            raise Problem("upload-too-slow") from None
        finally:
            if is_part and buffer is not None and (self._waiting or len(self._idle) < _IDLE_PARTS):
                self._idle.append(buffer)
            if loan is not None:
                self._loans.discard(loan)
            self._give_back(wanted, newest_first=loan is not None and loan.is_cut)

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
        self._look_soon()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_back(wanted)
            else:
                self._waiting = deque(each for each in self._waiting if each[0] is not turn)
                self._call_next()
            raise

    def _give_back(self, size: int, *, newest_first: bool = False) -> None:
        """Of a crowd that does not send, who came last is the likeliest to do."""
        self._left += size
        if newest_first:
            self._call_next(-1)
        self._call_next()

    def _call_next(self, end: int = 0) -> None:
        while self._waiting and self._left >= self._waiting[end][1]:
            turn, wanted = self._waiting[end]
            del self._waiting[end]
            if not turn.cancelled():
                self._left -= wanted
                turn.set_result(None)

    def _look_soon(self) -> None:
        if not self._is_looking:
            self._is_looking = True
            asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)

    def _look(self) -> None:
        """Cuts the slowest, at most as many as wait, as long as somebody waits."""
        self._is_looking = False
        if not self._waiting:
            return
        slow = {loan: loan.slowness(self.part_bytes / _WINDOW_SECONDS) for loan in self._loans}
        for loan in sorted(filter(slow.get, slow), key=slow.__getitem__, reverse=True)[: len(self._waiting)]:
            loan.cut()
        self._look_soon()
