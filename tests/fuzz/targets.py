"""What is fuzzed: each takes any bytes, and raises where the product does what it must not."""

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from photochanger.adapters.imaging.sniff import EXTENSIONS, HEAD_BYTES, sniff
from photochanger.core.errors import Problem
from photochanger.features.ingest.multipart import UploadReader
from tests.support import pictures
from tests.support.multipart import BOUNDARY, Part, encode, file, text

TYPE = f"multipart/form-data; boundary={BOUNDARY}"
Outcome = tuple[dict[str, str], bytes, dict[str, str]] | None


def reader(data: bytes) -> None:
    """The first byte is how large the chunks are: an upload is read or refused the same in any."""
    size, body = data[0] if data else 0, data[1:]
    whole = _outcome(body, len(body))
    assert _outcome(body, size) == whole
    assert _outcome(body, 1) == whole


def sniffer(data: bytes) -> None:
    """Goes by the first bytes alone, and names nothing but what is accepted."""
    found = sniff(data[:HEAD_BYTES])
    assert found is None or found in EXTENSIONS
    assert sniff(data) == found
    assert sniff(b"\0" + data) in (None, "image/heic")


TARGETS: dict[str, Callable[[bytes], None]] = {"reader": reader, "sniffer": sniffer}


def seeds(name: str) -> list[bytes]:
    if name == "sniffer":
        photos = [pictures.jpeg(16, 16), pictures.png(16, 16), pictures.webp(16, 16), pictures.heic(64, 64)]
        return [photo[:100] for photo in [*photos, pictures.avif(), pictures.tiff()]]
    disposition = 'Content-Disposition: form-data; name="album"'
    bodies = [
        [text("password", "pw"), Part((disposition, "Content-Type: text/plain"), b"a"), file(b"\xff\xd8\r\n--B\r\r\n")],
        [file(b""), text("survey1", "yes")],
        [Part((disposition + "; filename*=UTF-8''x", "Content-Length: 3"), b"four"), file(b"x", "photo", "")],
        [],
    ]
    return [bytes([size]) + encode(parts)[1] for size in (0, 3, 7) for parts in bodies]


def _outcome(body: bytes, size: int) -> Outcome:
    """The parts, or None for `malformed-upload`: whatever else is raised goes through."""
    return _finished(_read(_chunks(body, max(1, size))))


async def _read(chunks: AsyncIterator[bytes]) -> Outcome:
    try:
        upload = UploadReader(TYPE, chunks)
        await upload.read_fields()
        content = b"".join([chunk async for chunk in upload.file()])
    except Problem as problem:
        if problem.code != "malformed-upload":
            raise
        return None
    return upload.fields, content, upload.late_fields


async def _chunks(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


def _finished(reading: Coroutine[Any, Any, Outcome]) -> Outcome:
    """Nothing in it ever waits, so no event loop is needed: that would take longer than the reading."""
    try:
        reading.send(None)
    except StopIteration as end:
        found: Outcome = end.value
        return found
    raise AssertionError("the reader waited for something")
