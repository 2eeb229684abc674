"""Imaging for tests: real workers, and looks at what they made."""

import io
import os
import select
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from PIL import Image, ImageStat

from photochanger.adapters.imaging.imaging import Imaging, Prepared
from photochanger.adapters.imaging.sniff import sniff
from tests.support.pictures import QUADRANTS
from tests.support.streams import stream

MANY_PIXELS = 12_000_000


@pytest.fixture(scope="session")
async def imaging(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Imaging]:
    async with running_imaging(tmp_path_factory.mktemp("imaging"), workers=2) as imaging:
        yield imaging


@asynccontextmanager
async def running_imaging(folder: Path, *, workers: int = 1, seconds: float = 20.0) -> AsyncIterator[Imaging]:
    """Twenty seconds, since other tests run on the same cores."""
    imaging = Imaging(workers=workers, scratch=folder / "scratch", seconds=seconds)
    await imaging.start()
    try:
        yield imaging
    finally:
        await imaging.close()


async def prepared(imaging: Imaging, data: bytes, *, max_pixels: int = MANY_PIXELS) -> Prepared:
    media_type = sniff(data[:64])
    assert media_type is not None
    return await imaging.prepare(stream(data), media_type, max_pixels=max_pixels)


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def wait_for_end(*pids: int) -> None:
    """By its file descriptor, since waiting for a child would take its end away from the pool."""
    for pid in pids:
        try:
            process = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            assert select.select([process], [], [], 10)[0], f"{pid} is alive"
        finally:
            os.close(process)


def pixel(data: bytes, x: int, y: int) -> tuple[int, ...]:
    """Red, green, blue and opacity."""
    found = opened(data).convert("RGBA").getpixel((x, y))
    assert isinstance(found, tuple)
    return found


def difference(one: bytes, other: bytes) -> float:
    """Mean difference of two pictures of the same size, in brightness levels."""
    first, second = (opened(data).convert("RGB") for data in (one, other))
    assert first.size == second.size
    pairs = zip(first.tobytes(), second.tobytes(), strict=True)
    return sum(abs(a - b) for a, b in pairs) / (first.width * first.height * 3)


def quadrant_colours(image: Image.Image) -> list[list[float]]:
    """Mean colours: top left, top right, bottom left, bottom right."""
    width, height = image.size
    middle = [(x * width // 4, y * height // 4) for y in (1, 3) for x in (1, 3)]
    reach = max(1, min(width, height) // 10)
    boxes = [(x - reach, y - reach, x + reach, y + reach) for x, y in middle]
    return [ImageStat.Stat(image.convert("RGB").crop(box)).mean for box in boxes]


def is_upright(image: Image.Image, tolerance: float = 75) -> bool:
    """Each quadrant where it belongs, in about its colour: print and wide-gamut profiles shift it."""
    return all(
        abs(found - wanted) <= tolerance
        for colour, quadrant in zip(quadrant_colours(image), QUADRANTS, strict=True)
        for found, wanted in zip(colour, quadrant, strict=True)
    )


METADATA = (
    b"Exif",
    b"EXIF",
    b"eXIf",
    b"ns.adobe",
    b"XMP ",
    b"ICC_PROFILE",
    b"ICCP",
    b"iCCP",
    b"secret",
    b"Secret",
    b"tEXt",
)


def has_metadata(data: bytes) -> bool:
    return any(mark in data for mark in METADATA)
