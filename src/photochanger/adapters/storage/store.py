"""What a store is. One conformance suite (`tests/storage`) holds every implementation to it."""

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from types import MappingProxyType
from typing import Literal, Protocol, runtime_checkable

from msgspec import Struct

from photochanger.core.errors import Problem

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class StorageUnavailable(Problem):
    """The store cannot be reached or refuses: 503. `reason` is for the log and the health page, and holds no secret."""

    def __init__(self, reason: str) -> None:
        super().__init__("storage-unavailable")
        self.reason = reason


class ObjectMissing(Exception):  # noqa: N818
    """There is no object under that key."""


class StoredObject(Struct, frozen=True):
    key: str
    size_bytes: int
    modified_at: datetime


class OpenUpload(Struct, frozen=True):
    """An upload that was begun and neither finished nor aborted."""

    key: str
    upload_id: str
    started_at: datetime


@runtime_checkable  # handlers get it injected, which looks at its kind
class ObjectStore(Protocol):
    """Bytes under keys. Keys are ours (`features/media/keys.py`): ASCII, `/` between folders, never client text."""

    name: str

    async def put(
        self, key: str, chunks: AsyncIterable[bytes], *, content_type: str, size_bytes: int | None = None
    ) -> StoredObject:
        """Stores the stream whole or not at all: what `chunks` raises, and cancellation, aborts and is raised again.

        `size_bytes`, where known, is what there is at most: a store needs no more memory than that.
        """
        ...

    def get(
        self, key: str, *, start: int = 0, length: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The bytes from `start`, at most `length`, in chunks of bounded size. Raises ObjectMissing on entering."""
        ...

    async def head(self, key: str) -> StoredObject | None: ...

    async def delete(self, key: str) -> None:
        """A missing object is success."""
        ...

    def list(self, prefix: str = "") -> AsyncIterator[StoredObject]: ...

    async def presign(
        self,
        key: str,
        *,
        expires_at: datetime,
        now: datetime,
        method: Literal["GET", "HEAD"] = "GET",
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> str:
        """A link that gives anybody the object until `expires_at`. Never log it.

        A bucket's link is good for one method, and its answer says the `headers`: Cache-Control, Content-Disposition.
        A folder has no use for either.
        """
        ...

    def open_uploads(self) -> AsyncIterator[OpenUpload]: ...

    async def abort(self, upload: OpenUpload) -> None:
        """Ends an open upload; one that is gone is success."""
        ...

    async def check(self) -> None:
        """Writes, reads and deletes one small object; StorageUnavailable says what is wrong."""
        ...

    async def close(self) -> None: ...
