"""Brings a database's schema to the newest migration, or says whether it is there."""

import asyncio
from pathlib import Path
from typing import Any

from alembic.config import Config as AlembicConfig
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from photochanger.adapters.db.session import translated

HEAD, BASE = "head", "base"
MIGRATE_WAIT_SECONDS = 30.0
"""For another process that migrates or writes."""
_POLL_SECONDS = 0.1
_TURN = 7_046_029_254
"""The advisory lock of whoever migrates."""


class SchemaBehind(Exception):  # noqa: N818 – a finding, not a fault of the program
    def __init__(self) -> None:
        super().__init__("The database's schema is not the one of this version. Run `photochanger migrate` first.")


def _scripts(folder: Path) -> ScriptDirectory:
    config = AlembicConfig()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return ScriptDirectory.from_config(config)


async def use_schema(engine: AsyncEngine, folder: Path) -> None:
    """Migrates the embedded database; raises SchemaBehind for one that several processes share."""
    if engine.dialect.name == "sqlite":
        await migrate(engine, folder)
    elif not await is_current(engine, folder):
        raise SchemaBehind


async def migrate(engine: AsyncEngine, folder: Path, *, to: str = HEAD) -> None:
    """Runs the migrations; two processes cannot both do it."""
    scripts = _scripts(folder)

    def run(connection: Connection) -> None:
        def steps(revision: Any, _context: MigrationContext) -> list[Any]:
            find = scripts._upgrade_revs if to == HEAD else scripts._downgrade_revs  # noqa: SLF001 – as alembic does
            return list(find(to, revision))

        config = AlembicConfig()
        config.attributes["connection"] = connection
        with EnvironmentContext(config, scripts, fn=steps):
            scripts.run_env()

    with translated():
        if engine.dialect.name == "sqlite":  # one transaction, which holds the write lock
            async with engine.execution_options(write_within=MIGRATE_WAIT_SECONDS).begin() as connection:
                await connection.run_sync(run)
            return
        async with engine.connect() as connection:
            try:
                await _take_turn(connection)
                await connection.run_sync(run)
            finally:
                await connection.invalidate()  # with its lock and its settings


async def _take_turn(connection: AsyncConnection) -> None:
    """Asks again and again: who waits in a statement keeps an index from being made concurrently."""
    async with connection.begin():
        await connection.execute(text("SET statement_timeout = 0"))
        await connection.execute(text("SET idle_in_transaction_session_timeout = 0"))
        await connection.execute(text("SET lock_timeout = '5s'"))
    async with asyncio.timeout(MIGRATE_WAIT_SECONDS):
        while True:
            async with connection.begin():
                is_ours = await connection.scalar(text("SELECT pg_try_advisory_lock(:turn)"), {"turn": _TURN})
            if is_ours:
                return
            await asyncio.sleep(_POLL_SECONDS)


async def is_current(engine: AsyncEngine, folder: Path) -> bool:
    newest = _scripts(folder).get_current_head()
    with translated():
        async with engine.connect() as connection:
            found = await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())
    return found == newest
