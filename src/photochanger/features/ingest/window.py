"""The window: the seconds the sender waits. Everything in a job shares this one deadline."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from photochanger.core.clock import Clock

LOCAL_RESERVE = 2.0
"""Seconds that stay for each local step that follows, and for handing back the original."""
REMOTE_RESERVE_SHARE = 0.2
"""Share of the window that stays for each remote step that follows."""


class Window:
    """`started` is the monotonic time of the request's first byte."""

    def __init__(self, clock: Clock, *, started: float, seconds: float) -> None:
        self._clock = clock
        self.started = started
        self.seconds = seconds
        self.deadline = started + seconds

    def left(self) -> float:
        return max(0.0, self.deadline - self._clock.monotonic())

    def elapsed(self) -> float:
        return self._clock.monotonic() - self.started

    @asynccontextmanager
    async def limit(self, seconds: float | None = None) -> AsyncIterator[None]:
        """Raises TimeoutError when the window closes, or `seconds` of it are over."""
        async with asyncio.timeout(self.left() if seconds is None else min(seconds, self.left())):
            yield

    def share(self, *, local_after: int, remote_after: int, timeout_ms: int | None) -> float:
        """The seconds a step may use: what is left less a reserve for those after it, at least half of what is left."""
        left = self.left()
        reserve = local_after * LOCAL_RESERVE + remote_after * REMOTE_RESERVE_SHARE * self.seconds
        seconds = left - min(reserve, left / 2)
        return seconds if timeout_ms is None else min(seconds, timeout_ms / 1000)
