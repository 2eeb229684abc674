"""Notices between processes that share a PostgreSQL: LISTEN and NOTIFY on one connection outside the pool."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from photochanger.adapters.coordination.notices import Notices
from photochanger.adapters.db.engine import CONNECT_SECONDS

_CHANNEL = "photochanger"
_MOST = 1_000
"""Notices that wait to be sent; more are lost, as they may be."""
_LOOK_SECONDS = 2.0
"""How often a connection that says nothing is asked whether it still lives."""
_AGAIN_SECONDS = 1.0
_FLUSH_SECONDS = 0.5

log = structlog.get_logger()


class PostgresNotices(Notices):
    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__()
        self._address = dict(engine.dialect.create_connect_args(engine.url)[1])
        self._unsent: asyncio.Queue[str] = asyncio.Queue(_MOST)

    def publish(self, topic: str) -> None:
        super().publish(topic)
        with suppress(asyncio.QueueFull):
            self._unsent.put_nowait(topic)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._stay_connected(), name="notices")
        try:
            yield
            with suppress(TimeoutError):
                async with asyncio.timeout(_FLUSH_SECONDS):
                    await self._unsent.join()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _stay_connected(self) -> None:
        while True:
            try:
                await self._exchange()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("notices.disconnected", error=type(error).__name__)
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _exchange(self) -> None:
        """Sends and hears until the connection breaks."""
        connection = await asyncpg.connect(
            **self._address,
            timeout=CONNECT_SECONDS,
            command_timeout=CONNECT_SECONDS,
            server_settings={"application_name": "photochanger notices"},
        )
        try:
            await connection.add_listener(_CHANNEL, self._hear)
            for topic in list(self._listening):  # what was said meanwhile is lost: everybody looks
                super().publish(topic)
            while True:
                try:
                    async with asyncio.timeout(_LOOK_SECONDS):
                        topic = await self._unsent.get()
                except TimeoutError:
                    await connection.execute("SELECT 1")
                    continue
                try:
                    await connection.execute("SELECT pg_notify($1, $2)", _CHANNEL, topic)
                finally:
                    self._unsent.task_done()
        finally:
            connection.terminate()

    def _hear(self, _connection: Any, _process: int, _channel: str, topic: object) -> None:
        super().publish(str(topic))
