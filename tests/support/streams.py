"""Byte streams that do what senders do: come in chunks, stop for a while, break off."""

import asyncio
import random
from collections.abc import AsyncIterator

CHUNK_BYTES = 64 * 1024


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


async def stream(data: bytes, size: int = CHUNK_BYTES) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def read_all(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


class PausedStream:
    """Gives `before`, stops until `go` is set, then gives `after`; `paused` is set once `before` was taken."""

    def __init__(self, before: bytes, after: bytes = b"") -> None:
        self.paused = asyncio.Event()
        self.go = asyncio.Event()
        self._before = before
        self._after = after

    async def chunks(self) -> AsyncIterator[bytes]:
        async for chunk in stream(self._before):
            yield chunk
        self.paused.set()
        await self.go.wait()
        async for chunk in stream(self._after):
            yield chunk
