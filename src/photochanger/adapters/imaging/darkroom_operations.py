"""The darkroom's recipes in libvips. Deterministic; the pixel size stays. Runs in workers only."""

from collections.abc import Callable, Mapping
from typing import Any

import pyvips

from photochanger.adapters.imaging import encode, tones
from photochanger.adapters.imaging.darkroom_settings import (
    BlackAndWhite,
    Frame,
    Operation,
    Original,
    Poster,
    Recipe,
    Sepia,
    Sketch,
    Vignette,
    Vintage,
    Watermark,
)
from photochanger.adapters.imaging.marks import laid_over, placed, text_mark
from photochanger.adapters.imaging.recipes import decode
from photochanger.adapters.imaging.results import File, TooManyPixels, Unreadable, Unusable
from photochanger.core import limits

Templates = Mapping[str, bytes]
"""The slot's template images by their role."""

_SMOOTHED_PIXELS = 1_200_000
_SMALL_PIXELS = 600_000
_SHADOW_NOISE = 20
"""Differences below this brightness are the camera's, and no lines."""
_EDGE = 56
"""Steepness of brightness that gets an ink line."""


def develop(photo: bytes, settings: Operation | Recipe, templates: Templates) -> File:
    image = decode(photo, limits.PIXELS)
    has_alpha = image.hasalpha()
    for step in settings.steps if isinstance(settings, Recipe) else [settings]:
        image = _OPERATIONS[type(step)](image, step, templates).copy_memory()
    return encode.print_ready(image, as_png=has_alpha)


def _colours(change: Callable[[pyvips.Image, Any], pyvips.Image]) -> Callable[..., pyvips.Image]:
    """An operation on colours alone: what is transparent stays so."""

    def operation(image: pyvips.Image, settings: Any, _: Templates) -> pyvips.Image:
        if not image.hasalpha():
            return change(image, settings)
        return change(image[:3].copy(interpretation="srgb"), settings).bandjoin(image[3])

    return operation


def _black_and_white(rgb: pyvips.Image, settings: BlackAndWhite) -> pyvips.Image:
    deep = 34 * settings.contrast
    curve = ((0, 0), (64, 64 - deep), (128, 128), (192, 192 + deep * 0.8), (255, 255))
    return tones.grained(tones.as_rgb(tones.toned(tones.grey(rgb), curve)), settings.grain)


def _sepia(rgb: pyvips.Image, settings: Sepia) -> pyvips.Image:
    red = ((0, 28), (64, 84), (128, 154), (192, 218), (255, 255))
    green = ((0, 17), (64, 58), (128, 118), (192, 186), (255, 244))
    blue = ((0, 10), (64, 34), (128, 82), (192, 144), (255, 218))
    return tones.blended(rgb, tones.toned(tones.grey(rgb), red, green, blue), settings.strength)


def _sketch(rgb: pyvips.Image, settings: Sketch) -> pyvips.Image:
    """Colour dodge: a pencil leaves traces where a point is darker than its surroundings."""
    light = tones.blurred(tones.grey(rgb), 0.0008).copy_memory()
    surroundings = tones.blurred(light, 0.012)
    share = (light + _SHADOW_NOISE) / (surroundings + _SHADOW_NOISE)
    share = (share < 1).ifthenelse(share, 1)
    lines = share ** (1 + 3 * settings.strength)
    shading = light / 255 * 0.28 + 0.72
    drawing = tones.as_rgb((lines * shading * 255 + 0.5).cast("uchar").copy(interpretation="b-w"))
    if settings.is_coloured:
        pastel = tones.blurred(rgb, 0.006) * 0.75 + 72
        drawing = drawing * pastel / 255
    return (drawing * [1.0, 0.99, 0.965] + 0.5).cast("uchar").copy(interpretation="srgb")


def _poster(rgb: pyvips.Image, settings: Poster) -> pyvips.Image:
    """Few brightness levels, full colours. Smoothed small and cut into levels large: crisp edges on any print."""
    scale = min(1.0, (_SMOOTHED_PIXELS / (rgb.width * rgb.height)) ** 0.5)
    small = rgb.resize(scale) if scale < 1 else rgb
    window = 3 if small.width * small.height < _SMALL_PIXELS else 5
    for _ in range(2 if min(small.width, small.height) >= window else 0):
        small = small.median(window).copy_memory()
    small_grey = tones.grey(small)
    lines = (small_grey.gaussblur(1).sobel() > _EDGE).ifthenelse(255, 0).cast("uchar").gaussblur(0.8)
    smooth = tones.stretched(small, rgb.width, rgb.height).copy_memory()
    light = tones.grey(smooth)
    levels = settings.levels
    steps = tuple((level, _level(level, levels)) for level in range(256))
    flat = tones.toned(light, steps)
    colour = (smooth - light) * 1.6 + flat
    ink = tones.stretched(lines.copy_memory(), rgb.width, rgb.height) / 255 * settings.outline
    return (colour * (1 - ink) + 0.5).cast("uchar").copy(interpretation="srgb")


def _level(light: int, levels: int) -> float:
    step = min(levels - 1, light * levels // 256)
    return 24 + step * (250 - 24) / (levels - 1)


def _vintage(rgb: pyvips.Image, settings: Vintage) -> pyvips.Image:
    """A faded print: no deep blacks, warm lights, greenish shadows, little colour, dark corners."""
    faded = tones.blended(rgb, tones.as_rgb(tones.grey(rgb)), 0.28)
    red = ((0, 30), (64, 78), (128, 152), (192, 216), (255, 250))
    green = ((0, 30), (64, 76), (128, 138), (192, 198), (255, 240))
    blue = ((0, 44), (64, 80), (128, 122), (192, 166), (255, 208))
    old = tones.darkened_to_the_corners(tones.toned(faded, red, green, blue), 0.42, 0.35)
    return tones.grained(tones.blended(rgb, old, settings.strength), settings.grain)


def _vignette(rgb: pyvips.Image, settings: Vignette) -> pyvips.Image:
    return tones.darkened_to_the_corners(rgb, settings.strength, settings.radius)


def _frame(image: pyvips.Image, _: Frame, templates: Templates) -> pyvips.Image:
    frame = _template(templates, "frame")
    if not frame.hasalpha():
        raise Unusable("The frame would hide the photo: upload a PNG or WebP with a transparent middle.")
    return laid_over(image, frame.thumbnail_image(image.width, height=image.height, crop="centre", size="both"))


def _watermark(image: pyvips.Image, settings: Watermark, templates: Templates) -> pyvips.Image:
    width = max(1, round(image.width * settings.size))
    height = max(1, image.height // 2)
    if settings.text.strip():
        mark = text_mark(settings.text.strip(), width, height)
    else:
        mark = _template(templates, "watermark").thumbnail_image(width, height=height, size="both")
    return placed(image, mark, settings.corner, settings.opacity)


def _template(templates: Templates, role: str) -> pyvips.Image:
    if role not in templates:
        raise Unusable(f"The slot has no template image with the role {role}: add one, or take the step out.")
    try:
        return decode(templates[role], limits.LOCAL_PIXELS)
    except (Unreadable, TooManyPixels) as reason:
        raise Unusable(f"The template image with the role {role} cannot be used: {reason}.") from reason


def _original(image: pyvips.Image, _: Original, __: Templates) -> pyvips.Image:
    return image


_OPERATIONS: Mapping[type, Callable[..., pyvips.Image]] = {
    BlackAndWhite: _colours(_black_and_white),
    Sepia: _colours(_sepia),
    Sketch: _colours(_sketch),
    Poster: _colours(_poster),
    Vintage: _colours(_vintage),
    Vignette: _colours(_vignette),
    Frame: _frame,
    Watermark: _watermark,
    Original: _original,
}
