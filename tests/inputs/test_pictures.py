"""Files that are no photos, or photos nobody should take at their word."""

import struct
import zlib

import psutil
import pytest
import pyvips

from photochanger.core.limits import MIB
from tests.support import pictures
from tests.support.door import Case, request, upload
from tests.support.imaging import opened
from tests.support.multipart import file

PLAIN = pictures.jpeg(120, 80, seed=903)
NO_IMAGE = (415, "unsupported-image")
UNREADABLE = (422, "image-unreadable")
TOO_LARGE = (422, "image-too-many-pixels")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with_many_texts(count: int) -> bytes:
    data = pictures.png(64, 48, seed=904)
    return data[:33] + chunk(b"tEXt", b"comment\0x") * count + data[33:]


def webp_claiming(width: int, height: int) -> bytes:
    bits = (width - 1) | (height - 1) << 14
    body = b"VP8L" + struct.pack("<I", 12) + b"\x2f" + struct.pack("<I", bits) + bytes(7)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def with_scans(data: bytes, count: int) -> bytes:
    """A progressive JPEG whose first scan comes again and again: each is a pass over the whole picture."""
    start = data.index(b"\xff\xda")
    end = start + 2
    while not (data[end] == 0xFF and data[end + 1] not in (0, *range(0xD0, 0xD8))):
        end += 1
    return data[:end] + data[start:end] * count + data[end:]


REFUSED = {
    "I001": (b"This is a text and no photo at all.\n" * 9, *NO_IMAGE),
    "I002": (b"<!doctype html><script>alert(1)</script>", *NO_IMAGE),
    "I004-eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n", *NO_IMAGE),
    "I004-pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", *NO_IMAGE),
    "I004-psd": (b"8BPS\0\1" + bytes(30), *NO_IMAGE),
    "I004-fits": (b"SIMPLE  =                    T", *NO_IMAGE),
    "I004-icns": (b"icns\0\0\1\0" + bytes(30), *NO_IMAGE),
    "I004-blp": (b"BLP2\1\0\0\0" + bytes(30), *NO_IMAGE),
    "I004-tiff": (pictures.tiff(), *NO_IMAGE),
    "I004-avif": (pictures.avif(), *NO_IMAGE),
    "I005": (pictures.claiming(65_500, 65_500), *TOO_LARGE),
    "I006": (pictures.png_claiming(65_535, 65_535), *TOO_LARGE),
    "I013": (pictures.cut(PLAIN), *UNREADABLE),
    "I020-long": (pictures.png_claiming(1, 60_000), *TOO_LARGE),
    "I021": (webp_claiming(16_383, 16_383), *TOO_LARGE),
    "I024-cr2": (b"II*\0\x10\0\0\0CR\2\0" + bytes(50), *NO_IMAGE),
    "I024-cr3": (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(50), *NO_IMAGE),
    "I024-nef": (b"MM\0*\0\0\0\x08" + bytes(50), *NO_IMAGE),
}
TAKEN = {
    "I009": pictures.png_with_text(),
    "I010": png_with_many_texts(100_000),
    "I012-apng": pictures.animated("PNG", 32, 24, frames=200),
    "I012-webp": pictures.animated("WEBP", 32, 24, frames=200),
    "I014": pictures.polyglot(PLAIN),
    "I016": pictures.jpeg(120, 80, seed=905, gps=True, xmp=True),
    "I017": pictures.with_broken_profile(PLAIN),
    "I020-dot": pictures.jpeg(1, 1),
    "I022": pictures.heic(320, 240, seed=906),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_no_photo_is_refused(door, name):
    data, status, code = REFUSED[name]
    answer = await door.check_upload(Case(upload(file(data)), status, code))
    assert code != "unsupported-image" or b"JPEG" in answer.body


@pytest.mark.parametrize("name", TAKEN)
async def test_an_odd_photo_comes_out_as_a_plain_one(door, name):
    answer = await door.check_upload(Case(upload(file(TAKEN[name])), 200))
    result = opened(answer.body)
    assert result.format in ("JPEG", "PNG")
    assert getattr(result, "n_frames", 1) == 1
    assert not result.getexif()
    for word in (b"secret-", b"<script", b"http://ns.adobe.com", b"PK\x03\x04"):
        assert word not in answer.body
    if result.format == "JPEG":
        assert answer.body.endswith(b"\xff\xd9")
    public = await door.send(request("GET", f"/public/results/{answer.headers['x-job-id']}"))
    assert public.body == answer.body
    assert public.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in public.headers["content-security-policy"]


async def test_i008_a_small_file_of_81_megapixels_is_decoded_elsewhere(door):
    data = pyvips.Image.black(9000, 9000, bands=3).copy(interpretation="srgb").pngsave_buffer(compression=9)
    process = psutil.Process(door.server.process.pid)
    before = process.memory_info().rss
    answer = await door.check_upload(Case(upload(file(data)), 200))
    assert opened(answer.body).width == opened(answer.body).height
    assert process.memory_info().rss - before < 100 * MIB  # decoded it is 232


async def test_i018_ten_thousand_scans_end_in_time(door):
    """A photo or a refusal; and the next photo finds its worker well."""
    data = with_scans(pictures.progressive_jpeg(64, 48), 10_000)
    answer = await door.send(upload(file(data)))
    assert answer.status in (200, 422), answer.body
    assert (await door.send(upload(file(pictures.jpeg(64, 48, seed=907))))).status == 200


async def test_i026_damaged_photos_are_taken_or_refused_and_workers_stay(door):
    """A thousand are for `tests/fuzz`: here each goes the whole way."""
    workers = [worker.pid for worker in door.server.workers()]
    for number in range(24):
        damaged = bytearray(PLAIN)
        for at in range(20 + number * 7, len(damaged), 97 + number * 31):
            damaged[at] ^= 1 << number % 8
        answer = await door.send(upload(file(bytes(damaged))))
        assert answer.status in (200, 415, 422), answer.body
    assert (await door.send(upload(file(pictures.jpeg(64, 48, seed=908))))).status == 200
    assert len(door.server.workers()) == len(workers)
