"""The production stack: one PostgreSQL and one bucket, and machines that know nothing of each other but these."""

import secrets
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from photochanger.adapters.db.migrate import migrate
from photochanger.assembly import Parts
from photochanger.assets import assets
from photochanger.config import load_config
from photochanger.features.audit.schemas import Actor
from tests.support.database import databases
from tests.support.product import ADMIN_PASSWORD, SLOT_PASSWORD
from tests.support.s3 import S3Address, own_place, stored
from tests.support.server import Server

UNLIMITED = {"RATE_LIMIT_INGEST_RPS": "100000", "RATE_LIMIT_INGEST_BURST": "100000"}


class Installation:
    """An empty database and an empty place in the bucket, on the servers of this run."""

    def __init__(self, folder: Path) -> None:
        assert databases.server is not None
        self._folder = folder
        self._server = databases.server.replace("+asyncpg", "")
        self.database = f"production_{uuid.uuid4().hex}"
        self.place: S3Address = own_place()
        self.secret = secrets.token_hex(32)
        self.environ = {
            "DATABASE_URL": f"{self._server}/{self.database}",
            "JWT_SIGNING_KEY": self.secret,
            **self.place.environ,
            **UNLIMITED,
        }

    async def prepare(self) -> None:
        """The schema, a password for `slot-001`, and the administrator `boss`."""
        async with self.parts(self._folder / "console") as parts:
            await migrate(parts.database.engine, assets("migrations"))
            await parts.accounts.create("boss", ADMIN_PASSWORD, "admin", Actor.command_line())
            await parts.slots.set_password("slot-001", SLOT_PASSWORD, Actor.command_line())

    @asynccontextmanager
    async def parts(self, data_dir: Path) -> AsyncIterator[Parts]:
        """What a command works with, on the machine with that data directory."""
        parts = Parts(load_config(self.environ | {"PHOTOCHANGER_DATA_DIR": str(data_dir)}, env_file=None))
        try:
            yield parts
        finally:
            await parts.close()

    def machine(self, name: str) -> Server:
        """With a data directory of its own."""
        server = Server(self._folder / name, **self.environ)
        server.folder.mkdir()
        server.secrets |= {self.secret, self.place.secret_key}
        return server

    async def execute(self, sql: str, *values: object, database: str | None = None) -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(f"{self._server}/{database or self.database}")
        try:
            return [tuple(row) for row in await connection.fetch(sql, *values)]
        finally:
            await connection.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(f"{self._server}/{self.database}")
        try:
            async with connection.transaction():
                yield connection
        finally:
            await connection.close()

    @asynccontextmanager
    async def overhearing(self) -> AsyncIterator[list[str]]:
        """What processes tell each other meanwhile."""
        heard: list[str] = []
        connection = await asyncpg.connect(f"{self._server}/{self.database}")
        try:
            await connection.add_listener("photochanger", lambda *notice: heard.append(notice[-1]))
            yield heard
        finally:
            await connection.close()

    async def objects(self) -> list[str]:
        """Everything in the place, but unfinished uploads, asked without the product's store."""
        return (await stored(self.place)).objects

    async def open_uploads(self) -> list[str]:
        return (await stored(self.place)).uploads

    async def kept_objects(self) -> list[str]:
        """What the database says is stored."""
        rows = await self.execute("SELECT object_key FROM media WHERE evicted_at IS NULL")
        return sorted(key for (key,) in rows)

    async def runners_of(self, server: Server) -> list[str]:
        home = (server.data_dir / "secrets/home").read_bytes().hex()
        return [runner for (runner,) in await self.execute("SELECT runner_id FROM runners WHERE home = $1", home)]

    async def running_jobs(self, runners: list[str]) -> list[tuple[Any, ...]]:
        sql = "SELECT id FROM jobs WHERE status = 'processing' AND runner_id = ANY($1)"
        return await self.execute(sql, runners)


@asynccontextmanager
async def installation(folder: Path) -> AsyncIterator[Installation]:
    made = Installation(folder)
    await made.execute(f"CREATE DATABASE {made.database}", database="postgres")
    try:
        yield made
    finally:
        await made.execute(f"DROP DATABASE {made.database} WITH (FORCE)", database="postgres")
