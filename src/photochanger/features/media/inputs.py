"""Photos of running jobs under links, for vendors that take no bytes. A link ends with its job.

Any process that shares the store can serve it. The token is a secret: whoever has it sees the photo.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from photochanger.adapters.imaging.sniff import EXTENSIONS, HEAD_BYTES, sniff
from photochanger.adapters.storage.links import LinkSigner
from photochanger.core.clock import Clock
from photochanger.core.errors import Problem
from photochanger.features.media.service import NO_SLOT, MediaService

INPUT_PATH = "/public/inputs/"
_LONGEST = timedelta(minutes=10)
"""Longer than any job, for a process that dies before it could end the link."""
_MEDIA_TYPES = {extension: media_type for media_type, extension in EXTENSIONS.items()}

Publish = Callable[[bytes], Awaitable[str]]


class Inputs:
    def __init__(self, *, media: MediaService, clock: Clock, links: LinkSigner) -> None:
        self._media = media
        self._clock = clock
        self._links = links

    @asynccontextmanager
    async def published(self) -> AsyncIterator[Publish]:
        """Gives what puts an image under a link; all its links end with the block."""
        keys: list[str] = []

        async def publish(data: bytes) -> str:
            media_type = sniff(data[:HEAD_BYTES])
            if media_type is None:
                raise Problem("unsupported-image")
            keys.append(self._media.new_key("input", NO_SLOT, media_type))
            await self._media.put_whole(keys[-1], data, media_type)
            return self._links.sign(keys[-1], self._clock.now() + _LONGEST)

        try:
            yield publish
        finally:
            if keys:
                discarding = asyncio.create_task(self._media.discard(*keys))
                try:
                    await asyncio.shield(discarding)
                except asyncio.CancelledError:  # the window closed meanwhile: the links end all the same
                    await discarding
                    raise

    def find(self, token: str) -> tuple[str, str]:
        """Key and media type; `not-found` for a token that is forged or over. Its object may be gone already."""
        key = self._links.verify(token, self._clock.now())
        return key, _MEDIA_TYPES[key.rpartition(".")[2]]
