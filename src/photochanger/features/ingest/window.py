"""The window: the seconds the sender waits. Everything in a job shares this one deadline."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from photochanger.core.clock import Clock


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
