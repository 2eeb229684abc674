"""Brings a database's schema to the newest migration, or says whether it is there."""

from pathlib import Path
from typing import Any

from alembic.config import Config as AlembicConfig
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from photochanger.adapters.db.session import translated

HEAD, BASE = "head", "base"
MIGRATE_WAIT_SECONDS = 30.0
"""For another process that migrates or writes."""


def _scripts(folder: Path) -> ScriptDirectory:
    config = AlembicConfig()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return ScriptDirectory.from_config(config)


async def migrate(engine: AsyncEngine, folder: Path, *, to: str = HEAD) -> None:
    """Runs the migrations in one transaction that holds the write lock, so that two processes cannot both do it."""
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
        async with engine.execution_options(write_within=MIGRATE_WAIT_SECONDS).begin() as connection:
            await connection.run_sync(run)


async def is_current(engine: AsyncEngine, folder: Path) -> bool:
    newest = _scripts(folder).get_current_head()
    with translated():
        async with engine.connect() as connection:
            found = await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())
    return found == newest
