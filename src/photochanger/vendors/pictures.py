"""The pictures that vendors answer: the photo in another light, in the shape that was asked for; and bad ones."""

import math
from functools import cache

import pyvips

from photochanger.vendors.script import Behaviour

_SIDE = 1024
_TINTS = {"gemini": (1.15, 0.95, 0.7), "openai": (0.7, 0.95, 1.2), "turbotext": (1.1, 0.7, 1.1)}
_SUFFIXES = {"jpeg": ".jpg[Q=88]", "png": ".png[compression=3]", "webp": ".webp[Q=85,effort=1]"}
_NO_PICTURE = b"<!doctype html><title>502 Bad Gateway</title><p>This is no picture.</p>" * 20


class NoPhoto(Exception):  # noqa: N818 – named for the fact
    """What was sent cannot be read as a picture."""


def answer_picture(vendor: str, photo: bytes, behaviour: Behaviour, shape: str) -> bytes:
    """`shape` is like `3:2`. Raises NoPhoto. Blocks for some milliseconds: run it in a thread."""
    if behaviour.do == "not_an_image":
        return _NO_PICTURE
    if behaviour.do == "megapixels":
        return _megapixels()
    picture = _transformed(vendor, photo, behaviour, behaviour.shape or shape)
    return picture[: len(picture) * 3 // 5] if behaviour.do == "truncated" else picture


def _transformed(vendor: str, photo: bytes, behaviour: Behaviour, shape: str) -> bytes:
    across, down = (int(part) for part in shape.split(":"))
    width = round(_SIDE * math.sqrt(across / down))
    height = round(_SIDE * math.sqrt(down / across))
    try:
        image = pyvips.Image.thumbnail_buffer(photo, width, height=height, crop="centre")
        flat = image.flatten() if image.hasalpha() else image
        tinted = (flat.colourspace("srgb") * list(_TINTS[vendor])).cast("uchar")
        final = tinted.copy(interpretation="srgb")
        if behaviour.transparent:
            final = final.bandjoin((pyvips.Image.xyz(final.width, final.height)[0] > final.width / 2).cast("uchar"))
        data: bytes = final.write_to_buffer(_SUFFIXES[behaviour.format], keep="none")
    except pyvips.Error:
        raise NoPhoto from None
    return data


@cache
def _megapixels() -> bytes:
    """A small file of 108 megapixels."""
    data: bytes = pyvips.Image.black(12_000, 9_000).pngsave_buffer(compression=9, bitdepth=1)
    return data
