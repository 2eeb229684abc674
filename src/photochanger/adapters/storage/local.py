"""A folder as the store. The disk's work is done in threads (`folder.py`); here is what waits for it."""

import asyncio
import errno
import sys
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, aclosing, asynccontextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Literal, TypeVar, TypeVarTuple

from photochanger.adapters.storage.folder import Folder, Upload
from photochanger.adapters.storage.links import LinkSigner
from photochanger.adapters.storage.names import checked_key
from photochanger.adapters.storage.parts import regroup
from photochanger.adapters.storage.probe import probe
from photochanger.adapters.storage.store import NO_HEADERS, OpenUpload, StorageUnavailable, StoredObject
from photochanger.core.clock import Clock
from photochanger.core.ids import new_id
from photochanger.core.limits import KIB

WRITE_BYTES = 256 * KIB
"""As fast as 1 MiB (measured), and a thousand stalled uploads hold a quarter of the memory."""
READ_BYTES = 256 * KIB
_LIST_BATCH = 500
_THREADS = 16
_HINTS = MappingProxyType(
    {
        errno.ENOSPC: "the disk is full: free some space",
        errno.EDQUOT: "the quota is used up: free some space",
        errno.EACCES: "the storage folder is closed to this user: give it to the user that runs the server",
        errno.EPERM: "the storage folder is closed to this user: give it to the user that runs the server",
        errno.EROFS: "the disk is mounted read-only: mount it for writing",
        errno.ENOTDIR: "a file stands where the storage folder should be: move it away",
        errno.EMFILE: "too many files are open: raise the server's limit (ulimit -n)",
        errno.EIO: "the disk reports an error: check it",
    }
)
_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


class LocalStore:
    name = "local"

    def __init__(self, root: Path, *, clock: Clock, links: LinkSigner) -> None:
        self._folder = Folder(root)
        self._clock = clock
        self._links = links
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="store")

    async def put(
        self,
        key: str,
        chunks: AsyncIterable[bytes],
        *,
        content_type: str,  # noqa: ARG002 – the row knows the type
        size_bytes: int | None = None,  # noqa: ARG002 – parts are small here
    ) -> StoredObject:
        upload = Upload(self._folder, key, str(new_id(self._clock.now())))
        try:
            await self._thread(upload.begin)
            async with aclosing(regroup(chunks, WRITE_BYTES)) as parts:
                async for part in parts:
                    await self._thread(upload.write, part)
            return await self._thread(upload.commit, self._clock.now())
        except BaseException:
            await self._thread(upload.discard)
            raise

    @asynccontextmanager
    async def get(self, key: str, *, start: int = 0, length: int | None = None) -> AsyncIterator[AsyncIterator[bytes]]:
        opened = ExitStack()
        try:
            file = await self._thread(self._folder.open, key, start, opened)
            async with aclosing(self._read(file, length)) as chunks:
                yield chunks
        finally:
            await self._thread(opened.close)

    async def _read(self, file: BinaryIO, length: int | None) -> AsyncGenerator[bytes, None]:
        left = sys.maxsize if length is None else length
        while left and (chunk := await self._thread(file.read, min(READ_BYTES, left))):
            left -= len(chunk)
            yield chunk

    async def head(self, key: str) -> StoredObject | None:
        return await self._thread(self._folder.find, key)

    async def delete(self, key: str) -> None:
        await self._thread(self._folder.remove, key)

    async def list(self, prefix: str = "") -> AsyncIterator[StoredObject]:
        walk = self._folder.walk(prefix)
        while batch := await self._thread(_take, walk):
            for found in batch:
                yield found

    async def presign(
        self,
        key: str,
        *,
        expires_at: datetime,
        now: datetime,  # noqa: ARG002 – checked against the clock when it is used
        method: Literal["GET", "HEAD"] = "GET",  # noqa: ARG002 – one link for both
        headers: Mapping[str, str] = NO_HEADERS,  # noqa: ARG002 – `/public/store` says its own
    ) -> str:
        return self._links.sign(checked_key(key), expires_at)

    async def open_uploads(self) -> AsyncIterator[OpenUpload]:
        for upload in await self._thread(self._folder.list_uploads):
            yield upload

    async def abort(self, upload: OpenUpload) -> None:
        await self._thread(self._folder.abort, upload)

    async def check(self) -> None:
        await probe(self, self._clock.now(), "check the disk")

    async def close(self) -> None:
        self._threads.shutdown(wait=False)

    async def _thread(self, work: Callable[[*_Ts], _T], *args: *_Ts) -> _T:
        """Does blocking work in a thread. Cancellation waits for its end, so that cleaning up never overtakes it."""
        running = asyncio.get_running_loop().run_in_executor(self._threads, work, *args)
        cancelled = None
        while not running.done():
            try:
                await asyncio.wait({running})
            except asyncio.CancelledError as error:
                cancelled = error
        failure = running.exception()
        if cancelled:
            raise cancelled
        if isinstance(failure, OSError):
            raise StorageUnavailable(_reason(failure)) from failure
        return running.result()


def _take(walk: Iterator[StoredObject]) -> list[StoredObject]:
    return list(islice(walk, _LIST_BATCH))


def _reason(error: OSError) -> str:
    """For the log and the health page: no path, which may tell more than it should."""
    name = errno.errorcode.get(error.errno or 0, "no number")
    return f"{_HINTS.get(error.errno or 0, error.strerror or 'the disk failed')} ({name})"
