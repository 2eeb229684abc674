"""A database of a test's own, on SQLite or on the run's PostgreSQL: `pytest --database sqlite|postgresql`."""

import hashlib
import os
import shutil
import tempfile
from collections import deque
from pathlib import Path

import asyncpg

from photochanger.adapters.db.engine import create_engine
from photochanger.adapters.db.migrate import migrate
from photochanger.adapters.db.session import Database
from photochanger.assets import assets

_MOST = 12
"""Databases kept by one worker: a test may come back to its own, not to one of long ago."""


class Databases:
    """`server` is where PostgreSQL listens, like `postgresql+asyncpg://test@127.0.0.1:5432`; None: SQLite files."""

    def __init__(self) -> None:
        self.server: str | None = None
        self._made: deque[str] = deque()
        self._template = ""

    async def url(self, path: Path) -> str:
        """The database of that path, made where there is none yet."""
        if self.server is None:
            if not path.exists():  # noqa: ASYNC240 – a test
                await self._copy(path)
            return f"sqlite+aiosqlite:///{path}"
        name = "t" + hashlib.sha256(str(path).encode()).hexdigest()[:20]
        if name not in self._made:
            await self._make(self.server, name)
        return f"{self.server}/{name}"

    async def _copy(self, path: Path) -> None:
        """Of a file that was migrated once: migrating takes longer than most tests."""
        if not self._template:
            self._folder = tempfile.TemporaryDirectory(prefix="template-")
            self._template = f"{self._folder.name}/migrated.db"
            engine = create_engine(f"sqlite+aiosqlite:///{self._template}")
            await migrate(engine, assets("migrations"))
            await engine.dispose()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(self._template, path)

    async def _make(self, server: str, name: str) -> None:
        if not self._template:
            self._template = "template_" + os.environ.get("PYTEST_XDIST_WORKER", "main")
            await self._command(server, f"CREATE DATABASE {self._template}")
            engine = create_engine(f"{server}/{self._template}")
            await migrate(engine, assets("migrations"))
            await engine.dispose()
        if len(self._made) == _MOST:
            await self._command(server, f"DROP DATABASE {self._made.popleft()} WITH (FORCE)")
        await self._command(server, f"CREATE DATABASE {name} TEMPLATE {self._template} STRATEGY FILE_COPY")
        self._made.append(name)

    async def _command(self, server: str, sql: str) -> None:
        connection = await asyncpg.connect(server.replace("+asyncpg", "") + "/postgres")
        try:
            await connection.execute(sql)
        finally:
            await connection.close()


databases = Databases()


async def fresh_database(path: Path) -> Database:
    """Migrated; on SQLite a new file at `path`. Close it."""
    return await _migrated(await databases.url(path))


async def embedded_database(path: Path) -> Database:
    """SQLite whatever the run stands on. Close it."""
    return await _migrated(f"sqlite+aiosqlite:///{path}")


async def _migrated(url: str) -> Database:
    engine = create_engine(url)
    await migrate(engine, assets("migrations"))
    return Database(engine)
