"""One engine for one database: SQLite is the embedded default, PostgreSQL serves several processes.

Nothing here may promise for one what the other cannot keep.
"""

from contextlib import suppress

import asyncpg
from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from photochanger.adapters.db.turns import WAIT_SECONDS

POOL_SIZE = 10
POOL_WAIT_SECONDS = 15.0
"""Readers never wait for a lock: who waits for a connection waits for the processor, and is answered in its turn."""
CONNECT_SECONDS = 2.0
_GOODBYE_SECONDS = 0.1
SERVER_SETTINGS = {
    "application_name": "photochanger",
    "statement_timeout": "2000",
    "lock_timeout": "2000",
    "idle_in_transaction_session_timeout": "10000",  # units of work are short: whoever idles in one is dead
    "TimeZone": "UTC",
    "jit": "off",  # it costs more than any of our statements
}


def create_engine(url: str, *, pool_size: int = POOL_SIZE) -> AsyncEngine:
    parsed = make_url(url)
    match parsed.get_backend_name():
        case "sqlite":
            return _sqlite(parsed, pool_size)
        case "postgresql":
            return _postgresql(parsed, pool_size)
        case _:
            raise ValueError("only SQLite and PostgreSQL are supported")


def _sqlite(url: URL, pool_size: int) -> AsyncEngine:
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_WAIT_SECONDS,
        connect_args={"isolation_level": None},  # SQLAlchemy alone says BEGIN, see _begin
    )
    event.listen(engine.sync_engine, "connect", _on_connect)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _postgresql(url: URL, pool_size: int) -> AsyncEngine:
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_WAIT_SECONDS,
        pool_pre_ping=True,  # a restarted database costs nobody an answer
        connect_args={
            "timeout": CONNECT_SECONDS,
            "server_settings": SERVER_SETTINGS,
            "connection_class": _Connection,
        },
    )


class _Connection(asyncpg.Connection):  # type: ignore[misc]
    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 – the library's signature
        """Whoever waits for a database that is gone does not also wait for its goodbye."""
        with suppress(TimeoutError):  # then it has been cut off, which is goodbye enough
            await super().close(timeout=_GOODBYE_SECONDS if timeout is None else min(timeout, _GOODBYE_SECONDS))


def _on_connect(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",  # an acknowledged photo survives a power cut
        "foreign_keys = ON",
        f"busy_timeout = {WAIT_SECONDS * 1000:.0f}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    """A unit of work that writes takes the lock first: upgrading a read lock fails at once when another one wrote."""
    seconds = connection.get_execution_options().get("write_within")
    if seconds is None:
        connection.exec_driver_sql("BEGIN")
        return
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {max(1, seconds * 1000):.0f}")
    connection.exec_driver_sql("BEGIN IMMEDIATE")
