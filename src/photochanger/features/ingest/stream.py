"""A photo while it arrives: limited, told by its first bytes, hashed on its way to the store. Never whole in memory."""

import hashlib
from collections.abc import AsyncIterable, AsyncIterator

from photochanger.adapters.imaging.sniff import HEAD_BYTES, sniff
from photochanger.core import limits
from photochanger.core.errors import Problem
from photochanger.features.media.models import Media
from photochanger.features.media.service import MediaService

_HEADROOM_BYTES = limits.TEXT_TOTAL_BYTES + 256 * limits.KIB
"""What a body may hold beside the file: text parts and the parts' headers."""


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


async def store_source(
    media: MediaService, file: AsyncIterable[bytes], slot_id: str, *, limit_bytes: int, most: int | None
) -> Media:
    """Puts a sender's photo, whole, into the store: its row, which nobody has added yet. `most`: bytes at most."""
    photo = await IncomingPhoto.open(file, limit_bytes)
    object_key = media.new_key("source", slot_id, photo.media_type)
    await media.store.put(object_key, photo.chunks(), content_type=photo.media_type, size_bytes=most)
    return media.row(
        "source", object_key, content_type=photo.media_type, size_bytes=photo.size_bytes, sha256=photo.sha256
    )


def refuse_too_large(content_length: int | None, limit_bytes: int) -> None:
    """Before a byte of it is read, where the request says how long it is."""
    if (content_length or 0) > limit_bytes + _HEADROOM_BYTES:
        raise too_large(limit_bytes)


def too_large(limit_bytes: int) -> Problem:
    detail = f"Send a photo of at most {limit_bytes // limits.MIB} MiB."
    return Problem("upload-too-large", detail, limit_bytes=limit_bytes)
