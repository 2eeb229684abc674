"""Units of work: the only place that commits. A raised error rolls back, a normal end commits."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext

import asyncpg
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from photochanger.adapters.db.engine import WRITE_WAIT_SECONDS
from photochanger.core.clock import SystemClock
from photochanger.core.errors import Problem

UNIT_SECONDS = 2.3
"""For a unit of work on a database server, from asking for a connection to the commit's answer: 503 within 2.5 s."""

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
        is_embedded = engine.dialect.name == "sqlite"
        self._turn = asyncio.Lock() if is_embedded else nullcontext()
        self._seconds = None if is_embedded else UNIT_SECONDS

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        with translated():
            async with asyncio.timeout(self._seconds), AsyncSession(self.engine, expire_on_commit=False) as session:
                yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        async with AsyncExitStack() as stack:
            stack.enter_context(translated())
            await stack.enter_async_context(asyncio.timeout(self._seconds))
            began = _REAL.monotonic()
            async with asyncio.timeout(WRITE_WAIT_SECONDS):
                await stack.enter_async_context(self._turn)
            options = {"write_within": WRITE_WAIT_SECONDS - (_REAL.monotonic() - began)}
            session = await stack.enter_async_context(AsyncSession(self.engine, expire_on_commit=False))
            await session.connection(execution_options=options)
            yield session
            await session.commit()

    async def close(self) -> None:
        await self.engine.dispose()


@contextmanager
def translated() -> Iterator[None]:
    """Makes `DatabaseUnavailable` of everything that says the database could not do it just now."""
    try:
        yield
    except IntegrityError:
        raise
    except (DBAPIError, PoolTimeout, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseUnavailable(_reason(error)) from error


def _reason(error: Exception) -> str:
    """What the driver says of it: SQLite's own words hold no address and no data, PostgreSQL's may."""
    original = getattr(error, "orig", None) or error
    if isinstance(original, sqlite3.Error):
        return f"{type(original).__name__}: {original}"
    if isinstance(original, TimeoutError):
        return "no answer in time"
    return type(original.__cause__ or original).__name__
