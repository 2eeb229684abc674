"""Places: how much may run at once and begin in a minute, first come, first served. Per process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

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
    async def take(
        self,
        name: str,
        *,
        places: int,
        per_minute: int | None,
        wait_seconds: float,
        hold_seconds: float | None = None,
    ) -> AsyncIterator[None]:
        """Holds one of `places`; raises NoPlace when none could be had within `wait_seconds`.

        What goes on longer than `hold_seconds` from now gives its place to the next.
        """
        limiter = self._limiters.setdefault(name, CapacityLimiter(places))
        limiter.total_tokens = places
        holder = object()
        with ExitStack() as place:
            if hold_seconds is not None:
                place.callback(asyncio.get_running_loop().call_later(hold_seconds, place.close).cancel)
            try:
                async with asyncio.timeout(max(0.0, wait_seconds)):
                    await _acquire(limiter, holder)
                    place.callback(limiter.release_on_behalf_of, holder)
                    if per_minute is not None:
                        await self._begin(name, per_minute, wait_seconds)
            except TimeoutError:
                raise NoPlace from None
            yield

    async def _begin(self, name: str, per_minute: int, wait_seconds: float) -> None:
        """Returns when one more may begin. Nobody waits for what is known to come too late."""
        async with self._beginning.setdefault(name, asyncio.Lock()):
            while (wait := await self._rates.hit(name, per_minute, _MINUTE_SECONDS)) is not None:
                if wait > wait_seconds:
                    raise NoPlace(wait)
                await asyncio.sleep(wait)

    def waiting(self, name: str) -> int:
        return self._limiters[name].statistics().tasks_waiting if name in self._limiters else 0


async def _acquire(limiter: CapacityLimiter, holder: object) -> None:
    try:
        limiter.acquire_on_behalf_of_nowait(holder)  # a free place is had also by who cannot wait
    except WouldBlock:
        await limiter.acquire_on_behalf_of(holder)
