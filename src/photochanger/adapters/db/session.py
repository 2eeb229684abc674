"""Units of work: the only place that commits. A raised error rolls back, a normal end commits."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from photochanger.core.errors import Problem


class DatabaseUnavailable(Problem):
    """The database cannot be reached, is locked, or dropped the connection: 503. `reason` is for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__("database-unavailable")
        self.reason = reason


class Database:
    """Short units of work. Never hold one open while waiting for a provider, the store or a client."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self._writing = engine.execution_options(write=True)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        with _translated():
            async with AsyncSession(self.engine, expire_on_commit=False) as session:
                yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        with _translated():
            async with AsyncSession(self._writing, expire_on_commit=False) as session, session.begin():
                yield session

    async def close(self) -> None:
        await self.engine.dispose()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise
    except (DBAPIError, PoolTimeout, OSError) as error:
        raise DatabaseUnavailable(type(error).__name__) from error
