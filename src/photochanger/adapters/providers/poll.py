"""Asking again and again for what a vendor is still making. The deadline is the caller's: nothing is counted here."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from photochanger.adapters.providers.driver import RateLimited, Unavailable, Unreachable

T = TypeVar("T")


async def poll(ask: Callable[[], Awaitable[T | None]], every: float) -> T:
    """The first answer that is not None. What is being made may be billed already, so a fault is asked again, too.

    Only a line that is cut ends it: raises Unreachable, or what `ask` raises beside Unavailable and RateLimited.
    """
    while True:
        pause = every
        try:
            found = await ask()
        except Unreachable:
            raise
        except (Unavailable, RateLimited) as fault:
            found = None
            pause = max(every, fault.retry_after or 0.0)
        if found is not None:
            return found
        await asyncio.sleep(pause)
