"""One object on its way to S3: a single request where it fits into one part, else part by part. All or nothing."""

import asyncio
import hashlib
import io
from base64 import b64encode
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import aclosing, suppress
from typing import Any

from photochanger.adapters.storage.parts import refill
from photochanger.adapters.storage.s3_client import PART_SECONDS, S3Client, to_the_end
from photochanger.adapters.storage.s3_errors import MISSING, UNKNOWN_UPLOAD, S3Failed
from photochanger.adapters.storage.store import StorageUnavailable
from photochanger.core.limits import KIB, PART_BYTES

_CLEANING_SECONDS = 2.0
_SEND_BYTES = 256 * KIB


class Upload:
    """`name` is the key as the bucket has it. What was begun is ended by `discard` when anything goes wrong."""

    def __init__(self, client: S3Client, name: str, content_type: str) -> None:
        self._client = client
        self._name = name
        self._content_type = content_type
        self._upload_id: str | None = None
        self._may_be_open = False
        self._may_be_placed = False
        self._parts: list[dict[str, Any]] = []
        self.size_bytes = 0

    @property
    def part_count(self) -> int:
        return max(1, len(self._parts))

    async def send(self, chunks: AsyncIterable[bytes], buffer: memoryview) -> None:
        async with aclosing(refill(chunks, buffer)) as parts:
            async for part, is_last in parts:
                if not is_last and len(buffer) < PART_BYTES:
                    raise ValueError("there are more bytes than were announced")
                self.size_bytes += len(part)
                if is_last and not self._upload_id:
                    await to_the_end(self._put(part))
                else:
                    await to_the_end(self._add(part))
        if self._upload_id:
            await to_the_end(self._complete())

    async def send_whole(self, data: bytes) -> None:
        """What is in memory anyway needs no buffer."""
        self.size_bytes = len(data)
        await to_the_end(self._put(memoryview(data)))

    async def _put(self, data: memoryview) -> None:
        checksum = await _checksum(data)
        self._may_be_placed = True
        try:
            await self._client.call(
                "put_object",
                seconds=PART_SECONDS,
                body=lambda: _Body(data),
                Key=self._name,
                ContentType=self._content_type,
                ContentLength=len(data),
                ChecksumSHA256=checksum,
            )
        except S3Failed as failure:
            self._may_be_placed = not failure.is_refusal
            raise

    async def _add(self, part: memoryview) -> None:
        checksum = await _checksum(part)
        if not self._upload_id:
            self._may_be_open = True
            begun = await self._client.call(
                "create_multipart_upload",
                Key=self._name,
                ContentType=self._content_type,
                ChecksumAlgorithm="SHA256",
            )
            self._upload_id = begun["UploadId"]
        number = len(self._parts) + 1
        sent = await self._client.call(
            "upload_part",
            seconds=PART_SECONDS,
            body=lambda: _Body(part),
            Key=self._name,
            UploadId=self._upload_id,
            PartNumber=number,
            ContentLength=len(part),
            ChecksumSHA256=checksum,
        )
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"], "ChecksumSHA256": checksum})

    async def _complete(self) -> None:
        """A lost answer is asked for again; a server that has forgotten the upload by then is asked for the object."""
        self._may_be_placed = True
        try:
            await self._client.call(
                "complete_multipart_upload",
                seconds=PART_SECONDS,
                Key=self._name,
                UploadId=self._upload_id,
                MultipartUpload={"Parts": self._parts},
            )
        except S3Failed as failure:
            if failure.server_code == UNKNOWN_UPLOAD and await self._is_there():
                return
            self._may_be_placed = not failure.is_refusal
            raise

    async def _is_there(self) -> bool:
        with suppress(S3Failed):
            found = await self._client.call("head_object", Key=self._name)
            return bool(found["ContentLength"] == self.size_bytes)
        return False

    async def discard(self) -> None:
        """Leaves nothing, as far as the server can be reached; the rest is for the sweep."""
        with suppress(StorageUnavailable):
            if self._upload_id:
                await abort(self._client, self._name, self._upload_id)
            elif self._may_be_open:
                await self._abort_unknown()
        if self._may_be_placed:
            with suppress(StorageUnavailable):
                await self._client.call("delete_object", seconds=_CLEANING_SECONDS, Key=self._name)

    async def _abort_unknown(self) -> None:
        """The answer to the beginning was lost, and with it the upload's id."""
        found = await self._client.call("list_multipart_uploads", seconds=_CLEANING_SECONDS, Prefix=self._name)
        for upload in found.get("Uploads", []):
            if upload["Key"] == self._name:
                await abort(self._client, self._name, upload["UploadId"])


async def abort(client: S3Client, name: str, upload_id: str) -> None:
    try:
        await client.call("abort_multipart_upload", seconds=_CLEANING_SECONDS, Key=name, UploadId=upload_id)
    except S3Failed as failure:
        if failure.server_code not in {UNKNOWN_UPLOAD, *MISSING}:
            raise


async def _checksum(data: memoryview) -> str:
    """In a thread: a part takes longer than the event loop may stand still on a slow machine."""
    digest = await asyncio.to_thread(lambda: hashlib.sha256(data).digest())
    return b64encode(digest).decode()


class _Body:
    """A part as botocore wants a file, and as aiohttp sends it without a thread for every 64 KiB."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._data)}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        """A copy: the connection may still hold it when the part's memory is used again."""
        taken = bytes(self._data[self._at :] if size < 0 else self._data[self._at : self._at + size])
        self._at += len(taken)
        return taken

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while chunk := self.read(_SEND_BYTES):
            yield chunk
