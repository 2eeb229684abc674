"""A photo while it arrives: limited, told by its first bytes, hashed on its way to the store. Never whole in memory."""

import hashlib
from collections.abc import AsyncIterable, AsyncIterator

from photochanger.adapters.imaging.sniff import HEAD_BYTES, sniff
from photochanger.core.errors import Problem
from photochanger.core.limits import MIB


class IncomingPhoto:
    """Its `chunks` are read once, to their end; `sha256` and `size_bytes` tell of the bytes that went through."""

    def __init__(self, media_type: str, first: list[bytes], rest: AsyncIterator[bytes]) -> None:
        self.media_type = media_type
        self.size_bytes = 0
        self._hash = hashlib.sha256()
        self._first = first
        self._rest = rest

    @classmethod
    async def open(cls, chunks: AsyncIterable[bytes], limit_bytes: int) -> "IncomingPhoto":
        """Reads as far as it takes to know the type. Raises what is known by then, before the store sees a byte."""
        rest = _limited(chunks, limit_bytes)
        first: list[bytes] = []
        while sum(map(len, first)) < HEAD_BYTES and (chunk := await anext(rest, None)) is not None:
            first.append(chunk)
        head = b"".join(first)[:HEAD_BYTES]
        if not head:
            raise Problem("malformed-upload", "The file is empty; send the photo again.")
        media_type = sniff(head)
        if media_type is None:
            raise Problem("unsupported-image")
        return cls(media_type, first, rest)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The photo's bytes; `upload-too-large` as soon as there are too many."""
        while self._first:
            yield self._counted(self._first.pop(0))
        async for chunk in self._rest:
            yield self._counted(chunk)

    def _counted(self, chunk: bytes) -> bytes:
        self.size_bytes += len(chunk)
        self._hash.update(chunk)
        return chunk


async def _limited(chunks: AsyncIterable[bytes], limit_bytes: int) -> AsyncIterator[bytes]:
    size_bytes = 0
    async for chunk in chunks:
        size_bytes += len(chunk)
        if size_bytes > limit_bytes:
            raise too_large(limit_bytes)
        yield chunk


def too_large(limit_bytes: int) -> Problem:
    detail = f"Send a photo of at most {limit_bytes // MIB} MiB."
    return Problem("upload-too-large", detail, limit_bytes=limit_bytes)
