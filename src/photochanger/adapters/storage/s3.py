"""An S3 bucket as the store. Photos stream through; of an upload one part is in memory, out of memory all share."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from typing import Any, Literal

import structlog
from aiohttp import ClientError as HttpError
from botocore.exceptions import BotoCoreError

from photochanger.adapters.storage.buffers import PartBuffers
from photochanger.adapters.storage.names import checked_key, checked_prefix, is_key
from photochanger.adapters.storage.probe import probe
from photochanger.adapters.storage.s3_client import S3Client, S3Settings, to_the_end
from photochanger.adapters.storage.s3_errors import MISSING, S3Failed
from photochanger.adapters.storage.s3_upload import Upload, abort
from photochanger.adapters.storage.store import (
    NO_HEADERS,
    ObjectMissing,
    OpenUpload,
    StorageUnavailable,
    StoredObject,
)
from photochanger.core.clock import Clock
from photochanger.core.errors import Problem
from photochanger.core.limits import KIB, PART_BYTES

READ_BYTES = 256 * KIB
_BEYOND_THE_END = frozenset({"InvalidRange", "416"})
log = structlog.get_logger()


class S3Store:
    """Its times are the server's, in whole seconds: that is all HEAD tells."""

    name = "s3"

    def __init__(self, settings: S3Settings, *, clock: Clock) -> None:
        self.settings = settings
        self.client = S3Client(settings)
        self.buffers = PartBuffers(settings.budget_bytes, clock=clock)
        self._clock = clock

    def name_of(self, key: str) -> str:
        """The key as the bucket has it."""
        return self.settings.prefix + checked_key(key)

    async def put(
        self, key: str, chunks: AsyncIterable[bytes], *, content_type: str, size_bytes: int | None = None
    ) -> StoredObject:
        upload = Upload(self.client, self.name_of(key), content_type)
        began = self._clock.monotonic()
        log.info("s3.upload_started", object_key=key)
        try:
            await self._send(upload, chunks, size_bytes)
        except BaseException as error:
            _log_failure(key, error)
            await to_the_end(upload.discard())
            raise
        duration_ms = round((self._clock.monotonic() - began) * 1000)
        facts = {"size_bytes": upload.size_bytes, "part_count": upload.part_count, "duration_ms": duration_ms}
        log.info("s3.upload_finished", object_key=key, **facts)
        return StoredObject(key, upload.size_bytes, self._clock.now().replace(microsecond=0))

    async def _send(self, upload: Upload, chunks: AsyncIterable[bytes], size_bytes: int | None) -> None:
        """Waits for memory before it asks for a byte more, unless the first chunk is the whole object."""
        rest = aiter(chunks)
        first = b""
        if size_bytes is not None and size_bytes <= PART_BYTES:
            first = await anext(rest, b"")
            if len(first) == size_bytes:
                async for _ in rest:
                    raise ValueError("there are more bytes than were announced")
                await upload.send_whole(first)
                return
        async with (
            self.buffers.lend(size_bytes) as loan,
            aclosing(_chained(first, rest)) as all_chunks,
            aclosing(loan.watch(all_chunks)) as watched,
        ):
            await upload.send(watched, loan.buffer)

    @asynccontextmanager
    async def get(self, key: str, *, start: int = 0, length: int | None = None) -> AsyncIterator[AsyncIterator[bytes]]:
        body = await self._open(key, start, length)
        try:
            async with aclosing(_read(body)) as chunks:
                yield chunks
        finally:
            if body is not None:
                body.close()

    async def _open(self, key: str, start: int, length: int | None) -> Any:
        """None where there is nothing to read."""
        if length == 0:
            if await self.head(key) is None:
                raise ObjectMissing(key)
            return None
        last = "" if length is None else start + length - 1
        wanted: dict[str, Any] = {"Range": f"bytes={start}-{last}"} if start or length is not None else {}
        try:
            answer = await self.client.call("get_object", Key=self.name_of(key), **wanted)
        except S3Failed as failure:
            if failure.server_code in MISSING:
                raise ObjectMissing(key) from None
            if failure.server_code in _BEYOND_THE_END:
                return None
            raise
        return answer["Body"]

    async def head(self, key: str) -> StoredObject | None:
        try:
            found = await self.client.call("head_object", Key=self.name_of(key))
        except S3Failed as failure:
            if failure.server_code not in MISSING:
                raise
            await self.client.require_bucket()
            return None
        return StoredObject(key, found["ContentLength"], found["LastModified"].replace(microsecond=0))

    async def delete(self, key: str) -> None:
        try:
            await self.client.call("delete_object", Key=self.name_of(key))
        except S3Failed as failure:
            if failure.server_code not in MISSING:
                raise

    async def list(self, prefix: str = "") -> AsyncIterator[StoredObject]:
        more: dict[str, Any] = {"Prefix": self.settings.prefix + checked_prefix(prefix)}
        while more:
            page = await self.client.call("list_objects_v2", **more)
            for found in page.get("Contents", []):
                key = found["Key"].removeprefix(self.settings.prefix)
                if is_key(key):
                    yield StoredObject(key, found["Size"], found["LastModified"].replace(microsecond=0))
            token = page.get("NextContinuationToken") if page.get("IsTruncated") else None
            more = {**more, "ContinuationToken": token} if token else {}

    async def presign(
        self,
        key: str,
        *,
        expires_at: datetime,
        now: datetime,
        method: Literal["GET", "HEAD"] = "GET",
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> str:
        """Ends when the object does, or sooner; an object whose time is over has no link (`not-found`)."""
        said = {f"Response{name.replace('-', '')}": value for name, value in headers.items()}
        target = {"Bucket": self.settings.bucket, "Key": self.name_of(key), **said}
        seconds = min(self.settings.presign_seconds, int((expires_at - now).total_seconds()))
        if seconds < 1:
            log.warning("s3.presign_failed", object_key=key, reason="its time is over")
            raise Problem("not-found")
        try:
            client = await self.client.at(self.settings.presign_endpoint)
            link: str = await client.generate_presigned_url(
                "get_object", Params=target, ExpiresIn=seconds, HttpMethod=method
            )
        except (BotoCoreError, OSError) as error:
            failure = S3Failed(error)
            log.warning("s3.presign_failed", object_key=key, reason=failure.reason)
            raise failure from None
        log.info("s3.presigned", object_key=key, seconds=seconds)
        return link

    async def open_uploads(self) -> AsyncIterator[OpenUpload]:
        more: dict[str, Any] = {"Prefix": self.settings.prefix}
        while more:
            page = await self.client.call("list_multipart_uploads", **more)
            for found in page.get("Uploads", []):
                key = found["Key"].removeprefix(self.settings.prefix)
                if found["Key"].startswith(self.settings.prefix) and is_key(key):
                    yield OpenUpload(key, found["UploadId"], found["Initiated"])
            markers = {"KeyMarker": page.get("NextKeyMarker"), "UploadIdMarker": page.get("NextUploadIdMarker")}
            is_over = not page.get("IsTruncated") or not markers["KeyMarker"]
            more = {} if is_over else {**more, **{name: value for name, value in markers.items() if value}}

    async def abort(self, upload: OpenUpload) -> None:
        await abort(self.client, self.name_of(upload.key), upload.upload_id)

    async def check(self) -> None:
        await probe(self, self._clock.now(), "run `photochanger storage check`")

    async def close(self) -> None:
        await self.client.close()


async def _chained(first: bytes, rest: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    if first:
        yield first
    async for chunk in rest:
        yield chunk


async def _read(body: Any) -> AsyncGenerator[bytes, None]:
    try:
        while body is not None and (chunk := await body.read(READ_BYTES)):
            yield chunk
    except (BotoCoreError, HttpError, OSError) as error:
        raise S3Failed(error) from None


def _log_failure(key: str, error: BaseException) -> None:
    """A sender who left is no fault of the store's."""
    if isinstance(error, StorageUnavailable):
        log.warning("s3.upload_failed", object_key=key, reason=error.reason)
    else:
        log.info("s3.upload_failed", object_key=key, reason=f"the sender's side ended it ({type(error).__name__})")
