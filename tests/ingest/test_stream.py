import hashlib
from collections.abc import AsyncIterator

import pytest

from photochanger.core.errors import Problem
from photochanger.core.limits import MIB
from photochanger.features.ingest.stream import IncomingPhoto
from tests.support.streams import noise, read_all, stream

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01" + noise(500)
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + noise(500)


@pytest.mark.parametrize("size", [1, 7, 63, 64, 65, 1000])
@pytest.mark.parametrize(("data", "media_type"), [(JPEG, "image/jpeg"), (PNG, "image/png")])
async def test_a_photo_comes_through_unchanged_counted_and_hashed(size: int, data: bytes, media_type: str) -> None:
    photo = await IncomingPhoto.open(stream(data, size), MIB)
    assert photo.media_type == media_type
    assert await read_all(photo.chunks()) == data
    assert photo.size_bytes == len(data)
    assert photo.sha256 == hashlib.sha256(data).hexdigest()


async def test_opening_reads_no_further_than_the_type_needs() -> None:
    taken = 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal taken
        async for chunk in stream(JPEG, 40):
            taken += 1
            yield chunk

    await IncomingPhoto.open(counted(), MIB)
    assert taken == 2


async def test_a_photo_of_exactly_the_limit_is_accepted() -> None:
    photo = await IncomingPhoto.open(stream(JPEG, 100), len(JPEG))
    assert await read_all(photo.chunks()) == JPEG


async def test_a_photo_over_the_limit_is_refused_before_the_byte_too_many_goes_on() -> None:
    photo = await IncomingPhoto.open(stream(JPEG, 100), 250)
    chunks = photo.chunks()
    gone_on = await anext(chunks) + await anext(chunks)
    with pytest.raises(Problem) as raised:
        await anext(chunks)
    assert raised.value.code == "upload-too-large"
    assert raised.value.members == {"limit_bytes": 250}
    assert gone_on == JPEG[:200]


async def test_a_first_chunk_over_the_limit_is_refused_at_once() -> None:
    with pytest.raises(Problem) as raised:
        await IncomingPhoto.open(stream(JPEG), 100)
    assert raised.value.code == "upload-too-large"


@pytest.mark.parametrize("chunks", [[], [b""], [b"", b""]])
async def test_an_empty_file_is_malformed(chunks: list[bytes]) -> None:
    async def given() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    with pytest.raises(Problem) as raised:
        await IncomingPhoto.open(given(), MIB)
    assert raised.value.code == "malformed-upload"
    assert "empty" in raised.value.detail


@pytest.mark.parametrize("data", [b"x", b"hello, world", b"%PDF-1.7\n" + noise(100), noise(1000)])
async def test_what_is_no_accepted_image_is_refused(data: bytes) -> None:
    with pytest.raises(Problem) as raised:
        await IncomingPhoto.open(stream(data, 10), MIB)
    assert raised.value.code == "unsupported-image"


async def test_a_broken_upload_raises_its_own_problem() -> None:
    async def cut() -> AsyncIterator[bytes]:
        yield JPEG[:200]
        raise Problem("malformed-upload", "The upload ends early.")

    photo = await IncomingPhoto.open(cut(), MIB)
    with pytest.raises(Problem) as raised:
        await read_all(photo.chunks())
    assert raised.value.detail == "The upload ends early."
