"""Lays one picture over another: frames and watermarks. Runs in workers only.

Text is set in a font that comes with the product: a server has none, and another machine's would look different.
"""

from pathlib import Path

import pyvips
from PIL import Image, ImageDraw, ImageFont

from photochanger.adapters.imaging.darkroom_settings import Corner
from photochanger.adapters.imaging.results import Unusable

_FONT = Path(__file__).parent / "fonts" / "DejaVuSans-Bold.ttf"
_TRIAL_SIZE = 100
_MARGIN = 0.03
_OPAQUE = 255


def laid_over(image: pyvips.Image, above: pyvips.Image) -> pyvips.Image:
    """`above` has the same size. What was opaque stays opaque."""
    together = image.composite2(above, "over").cast("uchar")
    return together if image.hasalpha() else together[:3].copy(interpretation="srgb")


def placed(image: pyvips.Image, mark: pyvips.Image, corner: Corner, opacity: float) -> pyvips.Image:
    mark = mark if mark.hasalpha() else mark.bandjoin(_OPAQUE)
    faint = mark[:3].bandjoin((mark[3] * opacity + 0.5).cast("uchar")).copy(interpretation="srgb")
    left, top = _position(image, mark, corner)
    return laid_over(image, faint.embed(left, top, image.width, image.height))


def text_mark(text: str, width: int, height: int) -> pyvips.Image:
    """White with a soft shadow, to be read on bright and on dark; inside the box."""
    font = _fitting_font(text, width, height)
    left, top, right, bottom = (round(edge) for edge in font.getbbox(text))
    edge = max(2, (bottom - top) // 5)
    canvas = Image.new("L", (right - left + 2 * edge, bottom - top + 2 * edge))
    ImageDraw.Draw(canvas).text((edge - left, edge - top), text, font=font, fill=_OPAQUE)
    letters = pyvips.Image.new_from_memory(canvas.tobytes(), canvas.width, canvas.height, 1, "uchar")
    shadow = letters.gaussblur(edge / 3) * 0.75
    alpha = (letters > shadow).ifthenelse(letters, shadow).cast("uchar")
    return letters.bandjoin([letters, letters, alpha]).copy(interpretation="srgb").copy_memory()


def _fitting_font(text: str, width: int, height: int) -> ImageFont.FreeTypeFont:
    trial = ImageFont.truetype(_FONT, _TRIAL_SIZE, layout_engine=ImageFont.Layout.BASIC)
    _check_glyphs(trial, text)
    left, top, right, bottom = trial.getbbox(text)
    scale = min(width / max(1, right - left), height / max(1, bottom - top))
    return trial.font_variant(size=max(6, int(_TRIAL_SIZE * scale)))


def _check_glyphs(font: ImageFont.FreeTypeFont, text: str) -> None:
    """A character that the font lacks would be printed as a box."""
    missing = bytes(font.getmask("\U0010ffff"))
    for character in text:
        if not character.isspace() and bytes(font.getmask(character)) == missing:
            raise Unusable(f"The watermark's font has no “{character}”: leave it out, or use a template image.")


def _position(image: pyvips.Image, mark: pyvips.Image, corner: Corner) -> tuple[int, int]:
    margin = round(min(image.width, image.height) * _MARGIN)
    free_x, free_y = image.width - mark.width, image.height - mark.height
    if corner == "center":
        return free_x // 2, free_y // 2
    left = margin if corner.endswith("left") else free_x - margin
    top = margin if corner.startswith("top") else free_y - margin
    return left, top
