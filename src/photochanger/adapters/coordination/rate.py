"""How often something may happen, per process. Sliding windows of the `limits` library, each kind with its own name."""

from math import ceil

from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from photochanger.core.clock import Clock


class Rates:
    """Windows run on the library's own wall clock; the injected one only tells how long somebody has to wait."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    async def hit(self, kind: str, amount: int, seconds: int, *who: str) -> float | None:
        """Counts one; the seconds to wait where that is one too many (it is not counted then)."""
        item = RateLimitItemPerSecond(amount, seconds, namespace=kind)
        return None if await self._limiter.hit(item, *who) else await self._wait(item, *who)

    async def wait_for(self, kind: str, amount: int, seconds: int, *who: str) -> float | None:
        """The seconds to wait before another one fits; None where it fits now. Counts nothing."""
        item = RateLimitItemPerSecond(amount, seconds, namespace=kind)
        return None if await self._limiter.test(item, *who) else await self._wait(item, *who)

    async def _wait(self, item: RateLimitItemPerSecond, *who: str) -> float:
        reset_at, _ = await self._limiter.get_window_stats(item, *who)
        return min(max(1, ceil(reset_at - self._clock.now().timestamp())), item.get_expiry())
