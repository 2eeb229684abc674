"""Template images: frames and watermarks that a slot's steps lay over its photos. Kept for good."""

from collections.abc import AsyncIterator

from photochanger.adapters.db.session import Database
from photochanger.adapters.imaging.imaging import File, Imaging
from photochanger.core import limits
from photochanger.core.clock import Clock
from photochanger.core.drain import Drain
from photochanger.features.audit.schemas import Actor
from photochanger.features.audit.service import record
from photochanger.features.ingest.multipart import UploadReader
from photochanger.features.ingest.stream import IncomingPhoto
from photochanger.features.media.schemas import TemplateDocument
from photochanger.features.media.service import NO_SLOT, MediaService, media_in

LIMIT_BYTES = 10 * limits.MIB
UPLOAD_SECONDS = 60.0


class TemplateService:
    def __init__(
        self, *, database: Database, clock: Clock, media: MediaService, imaging: Imaging, drain: Drain
    ) -> None:
        self._database = database
        self._clock = clock
        self._media = media
        self._imaging = imaging
        self._drain = drain

    async def add(self, content_type: str | None, body: AsyncIterator[bytes], actor: Actor) -> TemplateDocument:
        """Keeps the upload's file, upright and without metadata, at most 12 megapixels.

        It goes to the store first, whole: no sender's line may hold an imaging worker.
        """
        async with self._drain.receiving(UPLOAD_SECONDS):
            key, media_type = await self._receive(content_type, body)
        try:
            async with self._media.store.get(key) as chunks:
                prepared = await self._imaging.prepare(chunks, media_type, max_pixels=limits.LOCAL_PIXELS)
        finally:
            await self._media.discard(key)
        picture = prepared.picture
        file = File(data=picture.data, media_type=picture.media_type, width=prepared.width, height=prepared.height)
        media = await self._media.keep("template", NO_SLOT, file)
        async with self._database.write() as session:
            media_in(session).add([media])
            await record(session, self._clock, actor, "template.added", str(media.id))
        return TemplateDocument(
            media_id=str(media.id),
            content_type=media.content_type,
            size_bytes=media.size_bytes,
            width=prepared.width,
            height=prepared.height,
        )

    async def _receive(self, content_type: str | None, body: AsyncIterator[bytes]) -> tuple[str, str]:
        """Key and media type of the upload in the store."""
        reader = UploadReader(content_type, body)
        await reader.read_fields()
        photo = await IncomingPhoto.open(reader.file(), LIMIT_BYTES)
        key = self._media.new_key("template", NO_SLOT, photo.media_type)
        await self._media.store.put(key, photo.chunks(), content_type=photo.media_type)
        return key, photo.media_type
