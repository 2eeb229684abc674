"""A stored result to whoever may see it: which bytes, and what caches may do with them. Knows no Litestar."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Literal
from uuid import UUID

import structlog
from msgspec import Struct

from photochanger.adapters.storage.store import ObjectMissing, ObjectStore, StorageUnavailable
from photochanger.core.clock import Clock
from photochanger.core.errors import Problem
from photochanger.features.jobs.models import Job
from photochanger.features.media.models import Media
from photochanger.features.media.retention import Retention
from photochanger.features.media.schemas import Variant
from photochanger.features.media.service import MediaService

log = structlog.get_logger()

CACHE_SECONDS = 300
"""How long a cache may show a photo without asking: a hidden one is gone from phones after this."""


_LAST_SECONDS = 20
"""In these a photo goes through the server: its link could end while a slow phone follows it."""


class Served(Struct, frozen=True):
    status: int
    headers: dict[str, str]
    start: int = 0
    length: int = 0


class Delivery:
    """`link_seconds` is how long visitors' links to the store live at most; None where there are none."""

    def __init__(
        self, *, media: MediaService, retention: Retention, clock: Clock, link_seconds: int | None = None
    ) -> None:
        self._media = media
        self._retention = retention
        self._clock = clock
        self._link_seconds = link_seconds
        self._store: ObjectStore = media.store

    async def find(self, job: Job, variant: Variant) -> Media:
        """The stored variant of a job's result; 404 while there is none or it is hidden, 410 when it is over.

        Whoever meets an expired result has its objects deleted.
        """
        if job.outcome is None or job.hidden_at is not None:
            raise Problem("result-not-found")
        if job.removed_at is not None:
            raise Problem("result-removed")
        if job.expires_at <= self._clock.now():
            self._retention.evict_soon(job.id)
            raise Problem("result-expired")
        media = await self._media.find_result(job.id, variant)
        if media is None:
            raise Problem("result-not-found")
        return media

    async def redirect(
        self, job: Job, media: Media, *, method: Literal["GET", "HEAD"], download: bool
    ) -> Served | None:
        """302 to a link of the store's own, for a photo that everybody may see; None where it goes through here.

        A link and what caches keep of its answer last no longer together than what goes through here, so that a photo
        that is hidden, or over, is gone as soon. A cached 302 ends well before its link.
        """
        seconds = self._seconds_left(job)
        if self._link_seconds is None or job.approved_at is None or seconds < _LAST_SECONDS:
            return None
        life = min(self._link_seconds, seconds // 2)
        headers = {"Cache-Control": f"public, max-age={seconds - life}"}
        if download:
            headers["Content-Disposition"] = _attachment(job, media)
        now = self._clock.now()
        expires_at = now + timedelta(seconds=life)
        link = await self._store.presign(
            media.object_key, expires_at=expires_at, now=now, method=method, headers=headers
        )
        return Served(302, {"Location": link, "Cache-Control": f"public, max-age={life // 2}", "Vary": "Accept"})

    def _seconds_left(self, job: Job) -> int:
        """How long caches may keep a photo."""
        return max(0, min(CACHE_SECONDS, int((job.expires_at - self._clock.now()).total_seconds())))

    def serve(self, job: Job, media: Media, asked: Mapping[str, str], *, private: bool, download: bool) -> Served:
        """Status and headers for conditional and range requests (RFC 9110); several ranges at once get the whole."""
        headers = {
            "Content-Type": media.content_type,
            "ETag": f'"{media.sha256}"',
            "Last-Modified": format_datetime(media.created_at.astimezone(UTC), usegmt=True),
            "Accept-Ranges": "bytes",
            "Cache-Control": f"{'private' if private else 'public'}, max-age={self._seconds_left(job)}",
            "Vary": "Accept",
        }
        if download:
            headers["Content-Disposition"] = _attachment(job, media)
        if _is_unchanged(asked, headers["ETag"], media.created_at):
            return Served(304, headers)
        start, length = 0, media.size_bytes
        status = 200
        if asked.get("if-range", headers["ETag"]) == headers["ETag"]:
            found = _range(asked.get("range", ""), media.size_bytes)
            if found is not None:
                status, (start, length) = 206, found
                headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{media.size_bytes}"
        headers["Content-Length"] = str(length)
        return Served(status, headers, start, length)

    async def open(self, job: Job, media: Media, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """The bytes, once the store has begun to give them: an answer that promises them must not break its word.

        An object that is gone although its time is not over loses its job's claim, so that the photo can be sent again.
        """
        chunks = self._read(media, start, length)
        try:
            first = await anext(chunks, b"")
        except ObjectMissing:
            raise await self._missing(job, media) from None
        return _continued(first, chunks)

    async def _read(self, media: Media, start: int, length: int | None) -> AsyncGenerator[bytes, None]:
        async with self._store.get(media.object_key, start=start, length=length) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _missing(self, job: Job, media: Media) -> Problem:
        found = await self._media.find(media.id)
        if found is None or found.evicted_at is not None:  # deleted between the look and the read
            return Problem("result-expired" if job.expires_at <= self._clock.now() else "result-removed")
        log.error("media.object_missing", object_key=media.object_key)
        await self._media.disown(job.id)
        return StorageUnavailable("an object is missing")


async def _continued(first: bytes, chunks: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    async with aclosing(chunks):
        yield first
        async for chunk in chunks:
            yield chunk


def _attachment(job: Job, media: Media) -> str:
    extension = media.object_key.rpartition(".")[2]
    return f'attachment; filename="{neutral_name(job.id)}.{extension}"'


def neutral_name(job_id: UUID) -> str:
    """Says nothing about the guest, the booth or the provider."""
    return f"photo-{job_id.hex[-8:]}"


def _is_unchanged(asked: Mapping[str, str], etag: str, created_at: datetime) -> bool:
    if "if-none-match" in asked:
        tags = {tag.strip().removeprefix("W/") for tag in asked["if-none-match"].split(",")}
        return etag in tags or "*" in tags
    try:
        since = parsedate_to_datetime(asked["if-modified-since"])
    except (KeyError, ValueError, OverflowError):
        return False
    return since.tzinfo is not None and created_at.replace(microsecond=0) <= since <= datetime.max.replace(tzinfo=UTC)


def _range(header: str, size: int) -> tuple[int, int] | None:
    """(start, length) of the one range asked for; None to send the whole; `range-not-satisfiable` beyond the end."""
    unit, _, spec = header.partition("=")
    first, dash, last = spec.strip().partition("-")
    if unit.strip().lower() != "bytes" or not dash or not (first + last).isdecimal() or len(first + last) > 40:  # noqa: PLR2004
        return None
    if first:
        start, end = int(first), min(int(last) if last else size - 1, size - 1)
        if last and int(last) < start:
            return None
    else:
        start, end = max(0, size - int(last)), size - 1
    if start > end or start >= size:
        raise Problem("range-not-satisfiable", headers={"Content-Range": f"bytes */{size}"})
    return start, end - start + 1
