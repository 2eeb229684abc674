"""One engine for one database. SQLite is the embedded default; nothing here may promise what PostgreSQL cannot keep."""

from sqlalchemy import Connection, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

POOL_SIZE = 10
POOL_WAIT_SECONDS = 15.0
"""Readers never wait for a lock: who waits for a connection waits for the processor, and is answered in its turn."""
WRITE_WAIT_SECONDS = 2.3
"""For the lock in this process and the one in the file together: a writer knows within 2.5 s."""


def create_engine(url: str) -> AsyncEngine:
    if make_url(url).get_backend_name() != "sqlite":
        raise ValueError("only SQLite is supported")
    engine = create_async_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=POOL_WAIT_SECONDS,
        connect_args={"isolation_level": None},  # SQLAlchemy alone says BEGIN, see _begin
    )
    event.listen(engine.sync_engine, "connect", _on_connect)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _on_connect(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",  # an acknowledged photo survives a power cut
        "foreign_keys = ON",
        f"busy_timeout = {WRITE_WAIT_SECONDS * 1000:.0f}",
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
