"""Writes pictures: without metadata, in the few forms that the product hands out. Runs in workers only."""

import pyvips

from photochanger.adapters.imaging.results import File

RESULT_QUALITY = 93
"""What the sender prints: the contract asks for 92."""
PREPARED_QUALITY = 95
"""A step on the way, encoded once more afterwards."""

_JPEG_QUALITY = 82
_WEBP_QUALITY = 80
_WEBP_EFFORT = 2
"""0.09 s for both renditions, against 0.16 s at 4, for a few per cent of size."""
_PNG_EFFORT = 2
_PAPER = [255, 255, 255]


def jpeg(image: pyvips.Image, quality: int) -> File:
    """Full colour resolution, for print; what is transparent becomes white."""
    flat = _flat(image)
    return _file(flat, "image/jpeg", flat.jpegsave_buffer(Q=quality, keep="none", subsample_mode="off"))


def png(image: pyvips.Image) -> File:
    data = image.pngsave_buffer(compression=_PNG_EFFORT, filter="sub", keep="none")
    return _file(image, "image/png", data)


def print_ready(image: pyvips.Image, *, as_png: bool, quality: int = RESULT_QUALITY) -> File:
    return png(image) if as_png else jpeg(image, quality)


def small_jpeg(image: pyvips.Image) -> File:
    flat = _flat(image)
    return _file(flat, "image/jpeg", flat.jpegsave_buffer(Q=_JPEG_QUALITY, keep="none", optimize_coding=True))


def small_webp(image: pyvips.Image) -> File:
    data = image.webpsave_buffer(Q=_WEBP_QUALITY, effort=_WEBP_EFFORT, keep="none")
    return _file(image, "image/webp", data)


def _flat(image: pyvips.Image) -> pyvips.Image:
    return image.flatten(background=_PAPER) if image.hasalpha() else image


def _file(image: pyvips.Image, media_type: str, data: bytes) -> File:
    return File(data=data, media_type=media_type, width=image.width, height=image.height)
