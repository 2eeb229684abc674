"""The two that do nothing but what an upload takes. `limit` sends bytes it has in memory, as many as `X-Size` asks for;
`floor` receives them, counts them, and forwards a part whenever one is full.
"""

import argparse
import asyncio
import os
import uuid
from typing import Any, cast

import aiobotocore.session
import uvloop
from aiobotocore.config import AioConfig

PART_BYTES = 8 * 1024 * 1024
_MEMORY_BYTES = 64 * 1024 * 1024
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_HEAD_END = b"\r\n\r\n"


class Upload:
    """Without checksums, signed payloads, or tries; what fits into one part is one request."""

    def __init__(self, client: Any, key: str, size_bytes: int) -> None:
        self._client = client
        self._target = {"Bucket": os.environ["S3_BUCKET"], "Key": key}
        self._is_single = size_bytes <= PART_BYTES
        self._upload_id = ""
        self._parts: list[dict[str, Any]] = []

    async def send(self, part: bytes | bytearray) -> None:
        if self._is_single:
            await self._client.put_object(**self._target, Body=part)
            return
        if not self._upload_id:
            self._upload_id = (await self._client.create_multipart_upload(**self._target))["UploadId"]
        number = len(self._parts) + 1
        sent = await self._client.upload_part(**self._target, UploadId=self._upload_id, PartNumber=number, Body=part)
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})

    async def finish(self) -> None:
        if self._upload_id:
            parts = {"Parts": self._parts}
            await self._client.complete_multipart_upload(
                **self._target, UploadId=self._upload_id, MultipartUpload=parts
            )


class Receiver(asyncio.BufferedProtocol):
    """Reads from the socket straight into the part; reads on when the part is in the bucket."""

    _transport: asyncio.Transport

    def __init__(self, client: Any, key: str, memory: bytes | None) -> None:
        self._client = client
        self._key = key
        self._memory = memory
        self._part = bytearray(PART_BYTES)
        self._used = 0
        self._left = 0
        self._size = 0
        self._upload: Upload | None = None
        self._work: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's inherits nothing of asyncio's

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        return memoryview(self._part)[self._used :]

    def buffer_updated(self, nbytes: int) -> None:
        self._used += nbytes
        if self._upload is None:
            end = self._part.find(_HEAD_END, 0, self._used)
            if end < 0:
                return
            nbytes = self._begin(end)
        self._left -= nbytes
        if self._left <= 0 or self._used == PART_BYTES:
            self._transport.pause_reading()
            self._work = asyncio.ensure_future(self._send())

    def _begin(self, end: int) -> int:
        """The bytes behind the head."""
        lines = bytes(self._part[:end]).decode().lower().split("\r\n")[1:]
        headers = dict(line.split(": ", 1) for line in lines)
        asked = self._memory is not None
        size = int(headers["x-size" if asked else "content-length"])
        self._upload = Upload(self._client, self._key, size)
        rest = self._part[end + len(_HEAD_END) : self._used]
        self._used, self._left = len(rest), 0 if asked else size
        self._part[: len(rest)] = rest
        self._size = size
        return len(rest)

    async def _send(self) -> None:
        assert self._upload is not None
        if self._memory is not None:
            for start in range(0, self._size, PART_BYTES):
                await self._upload.send(self._memory[start : min(start + PART_BYTES, self._size)])
        else:
            await self._upload.send(self._part if self._used == PART_BYTES else self._part[: self._used])
        self._used = 0
        if self._left > 0:
            self._transport.resume_reading()
            return
        await self._upload.finish()
        self._transport.write(_ANSWER)
        self._transport.close()


def connect() -> Any:
    """A client for the bucket of the environment."""
    config = AioConfig(
        signature_version="s3v4",
        s3={"addressing_style": "path", "payload_signing_enabled": False},
        request_checksum_calculation="when_required",
        max_pool_connections=200,
        retries={"total_max_attempts": 1},
    )
    return aiobotocore.session.get_session().create_client(
        "s3",
        endpoint_url=os.environ["S3_ENDPOINT"],
        region_name="us-east-1",
        aws_access_key_id=os.environ["S3_ACCESS_KEY"],
        aws_secret_access_key=os.environ["S3_SECRET_KEY"],
        config=config,
    )


async def serve(port: int, memory: bytes | None) -> None:
    async with connect() as client:
        server = await asyncio.get_running_loop().create_server(
            lambda: Receiver(client, f"bare/{uuid.uuid4()}", memory), "127.0.0.1", port, backlog=256
        )
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["limit", "floor"])
    parser.add_argument("port", type=int)
    given = parser.parse_args()
    uvloop.run(serve(given.port, os.urandom(_MEMORY_BYTES) if given.kind == "limit" else None))
