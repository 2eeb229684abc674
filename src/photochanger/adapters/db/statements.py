"""Statements that both databases know but SQLAlchemy spells twice."""

from typing import Any

from sqlalchemy import Table, func, inspect, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from photochanger.adapters.db.base import Base


def insert_for(session: AsyncSession, model: type[Base]) -> Any:
    """`INSERT` with `on_conflict_do_nothing` / `on_conflict_do_update` in the session's dialect."""
    table = inspect(model).local_table
    assert isinstance(table, Table)  # noqa: S101 – our models are tables
    backend = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    return backend.insert(table)


async def lock(session: AsyncSession, *names: str) -> None:
    """Holds the lock of that name until the unit of work ends, for what has no row to lock yet.

    On SQLite a unit of work that writes is alone anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("\n".join(names), 0))))
