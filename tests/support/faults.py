"""A store and a database that fail when a test says so, and senders that leave."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

from sqlalchemy.ext.asyncio import AsyncSession

from photochanger.adapters.db.session import Database, DatabaseUnavailable
from photochanger.adapters.storage.links import LinkSigner
from photochanger.adapters.storage.local import LocalStore
from photochanger.adapters.storage.store import StorageUnavailable, StoredObject
from photochanger.core.clock import Clock
from tests.support.product import BASE_URL, Product


class FaultyStore(LocalStore):
    """`broken` holds the kinds (source, result, preview) that cannot be stored; it fails after the first chunk."""

    def __init__(self, root: Path, clock: Clock) -> None:
        super().__init__(root, clock=clock, links=LinkSigner(b"k" * 32, lambda: BASE_URL))
        self.broken: set[str] = set()

    async def put(
        self, key: str, chunks: AsyncIterable[bytes], *, content_type: str, size_bytes: int | None = None
    ) -> StoredObject:
        given = _failing(chunks) if key.partition("/")[0] in self.broken else chunks
        return await super().put(key, given, content_type=content_type, size_bytes=size_bytes)


async def _failing(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        yield chunk
        raise StorageUnavailable("broken by the test")


Fault = Literal["", "refused", "commit failed", "answer lost"]


class FaultyDatabase(Database):
    """Its writes take the next of `faults`.

    `commit failed` has sent everything and keeps nothing; `answer lost` commits and says it failed.
    """

    def __init__(self, inner: Database, *faults: Fault) -> None:
        super().__init__(inner.engine)
        self.faults = list(faults)

    @asynccontextmanager
    async def write(self, *, within: float | None = None) -> AsyncIterator[AsyncSession]:
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "refused":
            raise DatabaseUnavailable("broken by the test", seconds_left=2.0)
        async with super().write(within=within) as session:
            yield session
            if fault == "commit failed":
                await session.flush()
                raise DatabaseUnavailable("broken by the test", seconds_left=2.0)
        if fault:
            raise DatabaseUnavailable("broken by the test", seconds_left=2.0)


async def leave_after(product: Product, content_type: str, begun: bytes, *, slot: str = "slot-001") -> None:
    """Sends an ingest's beginning and is gone."""
    messages = [{"type": "http.request", "body": begun, "more_body": True}]

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        pass

    headers = [(b"host", b"localhost:8000"), (b"content-type", content_type.encode()), (b"content-length", b"1000000")]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": f"/api/ingest/{slot}",
        "raw_path": f"/api/ingest/{slot}".encode(),
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 50_000),
        "server": ("localhost", 8000),
        "extensions": {},
    }
    await product.client._transport.app(scope, receive, send)  # type: ignore[attr-defined]
