"""Building blocks of darkroom operations on three-band, 8-bit sRGB images. Runs in workers only.

Everything is measured in shares of the photo, so that a small preview and the large print look the same.
"""

from itertools import pairwise

import pyvips

Point = tuple[float, float]
Curve = tuple[Point, ...]
"""Input and output brightness, 0–255, joined smoothly."""

_BLUR_SIGMA = 4.0
_MASK_PIXELS = 512
_GRAIN_SEED = 1
_SKIN_GREY = [[0.36, 0.52, 0.12]]
"""Brightness as film under a yellow filter sees it: kind to skin, dark skies."""


def grey(rgb: pyvips.Image) -> pyvips.Image:
    return rgb.recomb(pyvips.Image.new_from_array(_SKIN_GREY)).cast("uchar").copy(interpretation="b-w")


def as_rgb(one_band: pyvips.Image) -> pyvips.Image:
    return one_band.bandjoin([one_band, one_band]).cast("uchar").copy(interpretation="srgb")


def toned(image: pyvips.Image, *curves: Curve) -> pyvips.Image:
    """Each band through its curve; one band and three curves make three bands."""
    table = pyvips.Image.new_from_memory(
        bytes(value for level in range(256) for value in (_at(curve, level) for curve in curves)),
        256,
        1,
        len(curves),
        "uchar",
    )
    return image.maplut(table).copy(interpretation="srgb" if len(curves) > 1 else "b-w")


def blended(below: pyvips.Image, above: pyvips.Image, share: float) -> pyvips.Image:
    if share >= 1:
        return above
    return (below * (1 - share) + above * share + 0.5).cast("uchar").copy(interpretation=below.interpretation)


def blurred(image: pyvips.Image, share: float) -> pyvips.Image:
    """A wide blur, made small first: `share` is its radius as a part of the short side."""
    radius = max(1.0, share * min(image.width, image.height))
    if radius <= _BLUR_SIGMA:
        return image.gaussblur(radius)
    small = image.resize(max(_BLUR_SIGMA / radius, 1 / min(image.width, image.height))).gaussblur(_BLUR_SIGMA)
    return stretched(small, image.width, image.height)


def stretched(image: pyvips.Image, width: int, height: int) -> pyvips.Image:
    """To exactly this size."""
    bigger = image.resize(width / image.width, vscale=height / image.height, kernel="cubic")
    return bigger.gravity("centre", width, height, extend="copy")


def grained(rgb: pyvips.Image, share: float) -> pyvips.Image:
    """Film grain: the same in every colour, the same each time, as coarse on every print."""
    if share <= 0:
        return rgb
    scale = max(1.0, min(rgb.width, rgb.height) / 1600)
    noise = pyvips.Image.gaussnoise(
        max(1, round(rgb.width / scale)), max(1, round(rgb.height / scale)), mean=0, sigma=26 * share, seed=_GRAIN_SEED
    )
    return (rgb + stretched(noise, rgb.width, rgb.height) + 0.5).cast("uchar").copy(interpretation="srgb")


def darkened_to_the_corners(rgb: pyvips.Image, strength: float, radius: float) -> pyvips.Image:
    if strength <= 0:
        return rgb
    across, down = (min(_MASK_PIXELS, side) for side in (rgb.width, rgb.height))
    place = pyvips.Image.xyz(across, down)
    x, y = ((place[axis] + 0.5) / size * 2 - 1 for axis, size in ((0, across), (1, down)))
    distance = ((x * x + y * y) / 2) ** 0.5
    step = (distance - radius) / max(1 - radius, 0.05)
    step = (step > 0).ifthenelse((step < 1).ifthenelse(step, 1), 0)
    light = 1 - strength * (step * step * (3 - step * 2))
    mask = stretched(light.cast("float").copy_memory(), rgb.width, rgb.height)
    return (rgb * mask + 0.5).cast("uchar").copy(interpretation="srgb")


def _at(curve: Curve, level: int) -> int:
    """Monotone between its points: smoothstep would ripple, straight lines would show as bands in skies."""
    for (left, low), (right, high) in pairwise(curve):
        if level <= right:
            share = (level - left) / (right - left)
            return min(255, max(0, round(low + (high - low) * share)))
    return round(curve[-1][1])
