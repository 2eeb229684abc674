"""The two stacks a server stands on, seen from below: what lies in them, and a lock that keeps it from committing."""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import Any

from tests.support.product import ADMIN_PASSWORD, SLOT_PASSWORD
from tests.support.production import UNLIMITED, Installation, installation
from tests.support.server import Server

_UPLOADS = ".uploads/"


class Stack(ABC):
    """`server` is set up: a password for `slot-001`, and the administrator `boss`."""

    server: Server

    @abstractmethod
    async def objects(self) -> list[str]: ...

    @abstractmethod
    async def uploads(self) -> list[str]:
        """Open ones."""

    @abstractmethod
    async def query(self, sql: str) -> list[tuple[Any, ...]]: ...

    @abstractmethod
    def locked(self) -> AbstractAsyncContextManager[None]:
        """Nobody else opens or ends a job meanwhile. Servers give up after two seconds."""


class FolderStack(Stack):
    def __init__(self, server: Server) -> None:
        self.server = server

    async def objects(self) -> list[str]:
        return [name for name in self.server.stored_files() if not name.startswith(_UPLOADS)]

    async def uploads(self) -> list[str]:
        return [name for name in self.server.stored_files() if name.startswith(_UPLOADS)]

    async def query(self, sql: str) -> list[tuple[Any, ...]]:
        return self.server.query(sql)

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        database = sqlite3.connect(self.server.data_dir / "photochanger.db", timeout=60, isolation_level=None)
        with closing(database):
            database.execute("BEGIN IMMEDIATE")
            yield


class BucketStack(Stack):
    def __init__(self, server: Server, installed: Installation) -> None:
        self.server = server
        self._installed = installed

    async def objects(self) -> list[str]:
        return await self._installed.objects()

    async def uploads(self) -> list[str]:
        return await self._installed.open_uploads()

    async def query(self, sql: str) -> list[tuple[Any, ...]]:
        return await self._installed.execute(sql)

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        async with self._installed.transaction() as transaction:
            await transaction.execute("LOCK TABLE jobs IN SHARE MODE")
            yield


@asynccontextmanager
async def folder_stack(folder: Path) -> AsyncIterator[Stack]:
    server = Server(folder, **UNLIMITED)
    for arguments, password in (
        (("slots", "set-password", "slot-001"), SLOT_PASSWORD),
        (("accounts", "create", "boss", "--role", "admin"), ADMIN_PASSWORD),
    ):
        ended = await server.run(*arguments, "--password-stdin", stdin=password.encode())
        assert ended.code == 0, ended.err
    yield FolderStack(server)


@asynccontextmanager
async def bucket_stack(folder: Path) -> AsyncIterator[Stack]:
    async with installation(folder) as installed:
        await installed.prepare()
        yield BucketStack(installed.machine("here"), installed)
