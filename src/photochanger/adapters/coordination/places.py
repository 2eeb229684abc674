"""Places: how much may run at once and begin in a minute, first come, first served. Per process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

from anyio import CapacityLimiter, WouldBlock

from photochanger.adapters.coordination.rate import Rates

_MINUTE_SECONDS = 60


class NoPlace(Exception):  # noqa: N818
    """None came free in time. `retry_after`: seconds until another try makes sense."""

    def __init__(self, retry_after: float = 5) -> None:
        super().__init__("no place came free in time")
        self.retry_after = retry_after


class Places:
    def __init__(self, rates: Rates) -> None:
        self._rates = rates
        self._limiters: dict[str, CapacityLimiter] = {}
        self._beginning: dict[str, asyncio.Lock] = {}

    @asynccontextmanager
    async def take(self, name: str, *, places: int, per_minute: int | None, wait_seconds: float) -> AsyncIterator[None]:
        """Holds one of `places`; raises NoPlace when none could be had within `wait_seconds`."""
        limiter = self._limiters.setdefault(name, CapacityLimiter(places))
        limiter.total_tokens = places
        holder = object()
        give_up_at = asyncio.get_running_loop().time() + max(0.0, wait_seconds)
        try:
            limiter.acquire_on_behalf_of_nowait(holder)  # a free place is had also by who cannot wait
        except WouldBlock:
            await _until(give_up_at, limiter.acquire_on_behalf_of(holder))
        try:
            if per_minute is not None:
                await _until(give_up_at, self._begin(name, per_minute, give_up_at))
            yield
        finally:
            limiter.release_on_behalf_of(holder)

    async def _begin(self, name: str, per_minute: int, give_up_at: float) -> None:
        """Returns when one more may begin. Nobody waits for what is known to come too late."""
        async with self._beginning.setdefault(name, asyncio.Lock()):
            while (wait := await self._rates.hit(name, per_minute, _MINUTE_SECONDS)) is not None:
                if asyncio.get_running_loop().time() + wait > give_up_at:
                    raise NoPlace(wait)
                await asyncio.sleep(wait)

    def waiting(self, name: str) -> int:
        return self._limiters[name].statistics().tasks_waiting if name in self._limiters else 0


async def _until(give_up_at: float, place: Awaitable[None]) -> None:
    try:
        async with asyncio.timeout_at(give_up_at):
            await place
    except TimeoutError:
        raise NoPlace from None
