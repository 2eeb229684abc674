"""What was tried in vain at one subject from one address. Kept in the database: a lock holds on every process."""

from sqlalchemy.ext.asyncio import AsyncSession

from photochanger.core.clock import Clock
from photochanger.core.ids import new_id
from photochanger.features.accounts.lockout import locked_until
from photochanger.features.accounts.models import LoginFailure
from photochanger.features.accounts.repository import LoginFailureRepository


class Failures:
    def __init__(self, session: AsyncSession, clock: Clock, subject: str, address: str) -> None:
        self._repository = LoginFailureRepository(session)
        self._clock = clock
        self._pair = (subject, address)

    async def lock(self) -> None:
        """One judgement of the pair at a time."""
        await self._repository.lock(*self._pair)

    async def seconds_locked(self) -> float | None:
        """How long nobody is judged any more; None where the next try is."""
        now = self._clock.now()
        until = locked_until(await self._repository.list_times(*self._pair, now), now)
        return None if until is None else (until - now).total_seconds()

    async def count(self) -> None:
        now = self._clock.now()
        subject, address = self._pair
        await self._repository.add(LoginFailure(id=new_id(now), subject=subject, address=address, failed_at=now))

    async def clear(self) -> None:
        await self._repository.clear(*self._pair)
