"""Places: how much may run at once, first come, first served. Per process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import CapacityLimiter, WouldBlock


class NoPlace(Exception):  # noqa: N818
    """None came free in time."""


class Places:
    def __init__(self) -> None:
        self._limiters: dict[str, CapacityLimiter] = {}

    @asynccontextmanager
    async def take(self, name: str, *, places: int, wait_seconds: float) -> AsyncIterator[None]:
        """Holds one of `places`; raises NoPlace when none came free within `wait_seconds`."""
        limiter = self._limiters.setdefault(name, CapacityLimiter(places))
        limiter.total_tokens = places
        holder = object()
        try:
            limiter.acquire_on_behalf_of_nowait(holder)  # a free place is had also by who cannot wait
        except WouldBlock:
            await _wait_for(limiter, holder, wait_seconds)
        try:
            yield
        finally:
            limiter.release_on_behalf_of(holder)

    def waiting(self, name: str) -> int:
        return self._limiters[name].statistics().tasks_waiting if name in self._limiters else 0


async def _wait_for(limiter: CapacityLimiter, holder: object, seconds: float) -> None:
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await limiter.acquire_on_behalf_of(holder)
    except TimeoutError:
        raise NoPlace from None
