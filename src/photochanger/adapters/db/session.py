"""Units of work: the only place that commits. A raised error rolls back, a normal end commits."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from photochanger.adapters.db.turns import REAL, WAIT_SECONDS, Turns
from photochanger.core.errors import Problem


class DatabaseUnavailable(Problem):
    """The database cannot be reached, is locked, or dropped the connection: 503. `reason` is for the log.

    `seconds_left`: what a look at what is there after all may take, so that the sender still hears of it in time.
    """

    def __init__(self, reason: str, seconds_left: float = 0.0) -> None:
        super().__init__("database-unavailable")
        self.reason = reason
        self.seconds_left = seconds_left


class Database:
    """Short units of work. Never hold one open while waiting for a provider, the store or a client."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        if engine.dialect.name == "sqlite":
            # One writer at a time; readers wait for no lock, and who waits for a connection waits for the processor.
            self._reading, self._writing, self._deadline = None, Turns(1), False
        else:
            self._reading = self._writing = Turns(engine.pool.size())  # type: ignore[attr-defined]
            self._deadline = True

    @asynccontextmanager
    async def read(self, *, within: float | None = None) -> AsyncIterator[AsyncSession]:
        async with self._unit(self._reading, within) as (session, _):
            yield session

    @asynccontextmanager
    async def write(self, *, within: float | None = None) -> AsyncIterator[AsyncSession]:
        async with self._unit(self._writing, within) as (session, seconds):
            await session.connection(execution_options={"write_within": seconds})
            yield session
            await session.commit()

    @asynccontextmanager
    async def _unit(
        self, turns: Turns | None, within: float | None
    ) -> AsyncIterator[tuple[AsyncSession, float | None]]:
        async with AsyncExitStack() as stack:
            stack.enter_context(translated(within))
            seconds = await stack.enter_async_context(turns.taken(within)) if turns else None
            session = AsyncSession(self.engine, expire_on_commit=False)
            if self._deadline:
                await stack.enter_async_context(asyncio.timeout(seconds))
                stack.push_async_callback(session.close)  # `async with session` would not hear of the time-out
            else:
                await stack.enter_async_context(session)
            yield session, seconds

    async def close(self) -> None:
        await self.engine.dispose()


@contextmanager
def translated(within: float | None = None) -> Iterator[None]:
    """Makes `DatabaseUnavailable` of everything that says the database could not do it just now."""
    began = REAL.monotonic()
    try:
        yield
    except IntegrityError:
        raise
    except (DBAPIError, PoolTimeout, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        given = WAIT_SECONDS if within is None else within
        seconds_left = max(0.0, given - (REAL.monotonic() - began))
        raise DatabaseUnavailable(_reason(error), seconds_left) from error


def _reason(error: Exception) -> str:
    """What the driver says of it: SQLite's own words hold no address and no data, PostgreSQL's may."""
    original = getattr(error, "orig", None) or error
    if isinstance(original, sqlite3.Error):
        return f"{type(original).__name__}: {original}"
    if isinstance(original, TimeoutError):
        return "no answer in time"
    return type(original.__cause__ or original).__name__
