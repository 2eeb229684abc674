import pytest

from photochanger.adapters.imaging.sniff import EXTENSIONS, sniff
from tests.support import pictures


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (pictures.jpeg(16, 16), "image/jpeg"),
        (pictures.png(16, 16), "image/png"),
        (pictures.webp(16, 16), "image/webp"),
        (pictures.animated("WEBP", 16, 16), "image/webp"),
        (pictures.heic(64, 64), "image/heic"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + b"\0" * 40, "image/heic"),
    ],
)
def test_accepted_images_are_told_by_their_first_64_bytes(data, media_type):
    assert sniff(data[:64]) == media_type
    assert media_type in EXTENSIONS


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"RIFF",
        b"just text, though its name ends in .jpg",
        b"<html><body>hello</body></html>",
        b"%PDF-1.7 and so on",
        b"RIFF\0\0\0\0WAVEfmt ",
        b"GIF89a" + b"\0" * 58,
        b"II*\0\x10\0\0\0CR\2\0" + b"\0" * 52,
        b"\0\0\0\x18ftypcrx \0\0\0\1crx isom",
        b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41",
        b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf",
        b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifheic",
        b"\0\0\0\x10ftypmif1\0\0\0\0heicheic",
        pictures.avif(),
        pictures.tiff(),
    ],
)
def test_everything_else_is_no_accepted_image(data):
    assert sniff(data[:64]) is None
