"""The answer in the dialect the sender understands: the image, JSON, or both as Breeze Booth wants them."""

import re
from collections.abc import AsyncIterator, Mapping
from secrets import token_hex
from types import MappingProxyType

import msgspec
from msgspec import Struct

from photochanger.core.errors import Problem
from photochanger.features.galleries.service import GalleryService
from photochanger.features.ingest.schemas import Answer, IngestDocument
from photochanger.features.jobs.service import attempt_document, result_document
from photochanger.features.media.delivery import Delivery
from photochanger.features.media.service import MediaService
from photochanger.features.slots.links import gallery_url, result_url
from photochanger.features.slots.schemas import ConfiguredSlot, Dialect

METADATA_PART, IMAGE_PART = "metadata", "image"
"""The part names Breeze Booth reads are unpublished: kept in one place."""

_DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {"application/json": "json", "multipart/mixed": "breeze_multipart", "image/*": "image"}
)
_QUALITY = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")


class Reply(Struct):
    status: int
    media_type: str
    headers: dict[str, str]
    body: bytes | AsyncIterator[bytes]


def dialect_for(accept: str, default: Dialect) -> Dialect:
    """An explicit `Accept` wins over the slot's dialect; of several the one wanted most, then the first."""
    found, most = default, 0.0
    for choice in accept.lower().split(","):
        kind, *parameters = (part.strip() for part in choice.split(";"))
        named = "image/*" if kind.startswith("image/") else kind
        quality = _quality(parameters)
        if named in _DIALECTS and quality > most:
            found, most = _DIALECTS[named], quality
    return found


def _quality(parameters: list[str]) -> float:
    """How much a choice is wanted, from 0 to 1; what cannot be read counts as wanted."""
    given = next((each[2:] for each in parameters if each.startswith("q=")), "")
    return float(given) if _QUALITY.fullmatch(given) else 1.0


class Answers:
    def __init__(self, media: MediaService, delivery: Delivery, galleries: GalleryService) -> None:
        self._media = media
        self._galleries = galleries
        self._delivery = delivery

    async def write(self, answer: Answer, gallery: ConfiguredSlot, base: str, dialect: Dialect) -> Reply:
        job = answer.job
        link = result_url(base, job.id, token=job.link_token)
        headers = {
            "X-Job-Id": str(job.id),
            "X-Result-Url": link,
            "X-Result-Expires-At": job.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "X-Outcome": "duplicate" if answer.is_duplicate else str(job.outcome),
            "Server-Timing": _server_timing(answer),
            "Cache-Control": "no-store",
        }
        if dialect == "image":
            media_type, size, image = await self._image(answer)
            return Reply(200, media_type, headers | {"Content-Length": str(size)}, image)
        document = msgspec.json.encode(await self._document(answer, gallery, base, link))
        if dialect == "json":
            return Reply(200, "application/json", headers, document)
        media_type, size, image = await self._image(answer)
        return _mixed(headers, document, media_type, size, image)

    async def _image(self, answer: Answer) -> tuple[str, int, AsyncIterator[bytes]]:
        """Media type, bytes, content: at hand for whoever opened the job, else out of the store."""
        if answer.full is not None:
            return answer.full.media_type, len(answer.full.data), _once(answer.full.data)
        media = await self._media.find_result(answer.job.id, "full")
        if media is None or media.evicted_at is not None:
            raise Problem("result-removed", headers={"X-Job-Id": str(answer.job.id)})
        return media.content_type, media.size_bytes, await self._delivery.open(answer.job, media)

    async def _document(self, answer: Answer, gallery: ConfiguredSlot, base: str, link: str) -> IngestDocument:
        job = answer.job
        album_id = await self._galleries.find_album_id(job.id)
        return IngestDocument(
            job_id=str(job.id),
            slot_id=job.slot_id,
            status=job.status,
            outcome=job.outcome,
            duplicate=answer.is_duplicate,
            provider=job.provider,
            duration_ms=job.duration_ms,
            started_at=job.received_at,
            cost_micros=job.cost_micros,
            gallery_url=gallery_url(base, gallery),
            album_url=f"{base}/public/albums/{album_id}" if album_id else None,
            attempts=[attempt_document(attempt) for attempt in answer.attempts],
            result=result_document(job, link),
        )


def _server_timing(answer: Answer) -> str:
    timings = answer.timings
    phases = {"receive": timings.receive, "wait": timings.wait, "provider": timings.provider, "store": timings.store}
    return ", ".join(f"{phase};dur={seconds * 1000:.1f}" for phase, seconds in phases.items())


def _mixed(headers: dict[str, str], document: bytes, media_type: str, size: int, image: AsyncIterator[bytes]) -> Reply:
    """`multipart/mixed`: the JSON, then the image."""
    boundary = token_hex(16)
    head = (
        f'--{boundary}\r\nContent-Type: application/json\r\nContent-Disposition: inline; name="{METADATA_PART}"\r\n'
        f"Content-Length: {len(document)}\r\n\r\n"
    ).encode()
    between = (
        f'\r\n--{boundary}\r\nContent-Type: {media_type}\r\nContent-Disposition: inline; name="{IMAGE_PART}"\r\n'
        f"Content-Length: {size}\r\n\r\n"
    ).encode()
    end = f"\r\n--{boundary}--\r\n".encode()

    async def body() -> AsyncIterator[bytes]:
        yield head + document + between
        async for chunk in image:
            yield chunk
        yield end

    length = len(head) + len(document) + len(between) + size + len(end)
    return Reply(200, f"multipart/mixed; boundary={boundary}", headers | {"Content-Length": str(length)}, body())


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
