"""Units of work: the only place that commits. A raised error rolls back, a normal end commits."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from photochanger.adapters.db.engine import WRITE_WAIT_SECONDS
from photochanger.core.clock import SystemClock
from photochanger.core.errors import Problem

_MOST_WAITS = 6
_LEAST_WAIT_SECONDS = 0.5
_REAL = SystemClock()
"""The database's own locks wait in real time, whatever a test's clock says."""


class DatabaseUnavailable(Problem):
    """The database cannot be reached, is locked, or dropped the connection: 503. `reason` is for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__("database-unavailable")
        self.reason = reason


class Database:
    """Short units of work. Never hold one open while waiting for a provider, the store or a client."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        # SQLite has one writer at a time: waiting for it here costs no connection that a reader could use.
        self._turn = asyncio.Lock() if engine.dialect.name == "sqlite" else None
        self._written = 0

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        with translated():
            async with AsyncSession(self.engine, expire_on_commit=False) as session:
                yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        with translated():
            async with self._taken_turn() as seconds, AsyncSession(self.engine, expire_on_commit=False) as session:
                await session.connection(execution_options={"write_within": seconds})
                yield session
                await session.commit()
                self._written += 1

    @asynccontextmanager
    async def _taken_turn(self) -> AsyncIterator[float]:
        """Holds the one place for a writer; gives the seconds that are left to wait for the file's own lock.

        Who waits gives up when nobody has written for so long, not because many do.
        """
        if self._turn is None:
            yield WRITE_WAIT_SECONDS
            return
        for _ in range(_MOST_WAITS):
            began, written = _REAL.monotonic(), self._written
            try:
                async with asyncio.timeout(WRITE_WAIT_SECONDS):
                    await self._turn.acquire()
                break
            except TimeoutError:
                if self._written == written:
                    raise
        else:
            raise TimeoutError
        try:
            yield max(_LEAST_WAIT_SECONDS, WRITE_WAIT_SECONDS - (_REAL.monotonic() - began))
        finally:
            self._turn.release()

    async def close(self) -> None:
        await self.engine.dispose()


@contextmanager
def translated() -> Iterator[None]:
    """Makes `DatabaseUnavailable` of everything that says the database could not do it just now."""
    try:
        yield
    except IntegrityError:
        raise
    except (DBAPIError, PoolTimeout, OSError) as error:
        raise DatabaseUnavailable(_reason(error)) from error


def _reason(error: Exception) -> str:
    """What the driver says of it: SQLite's own words hold no address and no data."""
    original = getattr(error, "orig", None)
    return f"{type(original).__name__}: {original}" if isinstance(original, sqlite3.Error) else type(error).__name__
