"""The two ways of a photo: made ready for providers, and made ready for the web. Runs in workers only."""

import io
from math import sqrt
from typing import BinaryIO

import pyvips

from photochanger.adapters.imaging import encode
from photochanger.adapters.imaging.photos import open_photo
from photochanger.adapters.imaging.results import File, Prepared, Rendered, Unreadable
from photochanger.adapters.imaging.sniff import HEAD_BYTES, sniff
from photochanger.adapters.providers.driver import Picture

_SCREEN_PIXELS = 1600
_THUMB_PIXELS = 400
_SHAPE_TOLERANCE = 0.01


def prepare(stream: BinaryIO, media_type: str, max_pixels: int) -> Prepared:
    photo = open_photo(stream, media_type)
    image = photo.fit(*_within(photo.width, photo.height, max_pixels))
    has_alpha = bool(image.hasalpha())
    file = encode.print_ready(image, as_png=has_alpha, quality=encode.PREPARED_QUALITY)
    return Prepared(
        picture=Picture(file.data, file.media_type),
        width=image.width,
        height=image.height,
        has_alpha=has_alpha,
        source_width=photo.width,
        source_height=photo.height,
    )


def render(answer: bytes, shape: tuple[int, int] | None, max_pixels: int, *, as_png: bool) -> Rendered:
    """`shape` is the width and height whose ratio the result gets, cut from the centre."""
    image = decode(answer, max_pixels)
    if shape is not None:
        image = _cropped(image, *shape)
    full = encode.print_ready(image, as_png=as_png)
    return _renditions(full, image.thumbnail_image(_SCREEN_PIXELS, height=_SCREEN_PIXELS, size="down"))


def render_clean(answer: bytes) -> Rendered:
    """What this product encoded itself stays as it is, byte for byte."""
    media_type = _media_type(answer)
    photo = open_photo(io.BytesIO(answer), media_type)
    full = File(data=answer, media_type=media_type, width=photo.width, height=photo.height)
    return _renditions(full, photo.fit(_SCREEN_PIXELS, _SCREEN_PIXELS))


def decode(data: bytes, max_pixels: int) -> pyvips.Image:
    photo = open_photo(io.BytesIO(data), _media_type(data))
    return photo.fit(*_within(photo.width, photo.height, max_pixels))


def _renditions(full: File, screen: pyvips.Image) -> Rendered:
    screen = screen.copy_memory()
    thumb = screen.thumbnail_image(_THUMB_PIXELS, height=_THUMB_PIXELS, size="down").copy_memory()
    return Rendered(
        full=full,
        thumb_webp=encode.small_webp(thumb),
        thumb_jpeg=encode.small_jpeg(thumb),
        screen_webp=encode.small_webp(screen),
        screen_jpeg=encode.small_jpeg(screen),
    )


def _media_type(data: bytes) -> str:
    media_type = sniff(data[:HEAD_BYTES])
    if media_type is None:
        raise Unreadable("it is no JPEG, PNG, WebP or HEIC")
    return media_type


def _within(width: int, height: int, max_pixels: int) -> tuple[int, int]:
    """The largest box of the same shape with at most `max_pixels`."""
    scale = min(1.0, sqrt(max_pixels / (width * height)))
    return max(1, int(width * scale)), max(1, int(height * scale))


def _cropped(image: pyvips.Image, width: int, height: int) -> pyvips.Image:
    wanted, is_ = width / height, image.width / image.height
    if abs(is_ / wanted - 1) <= _SHAPE_TOLERANCE:
        return image
    new_width = min(image.width, max(1, round(image.height * wanted)))
    new_height = min(image.height, max(1, round(image.width / wanted)))
    left, top = (image.width - new_width) // 2, (image.height - new_height) // 2
    return image.crop(left, top, new_width, new_height).copy_memory()
