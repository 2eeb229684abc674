"""What each darkroom operation can be told: the source of validation, and of the form in the browser.

The tag of each struct is the operation's name, so that a recipe's steps are these very structs.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Share = Annotated[float, Meta(ge=0, le=1)]
Corner = Literal["top_left", "top_right", "bottom_left", "bottom_right", "center"]


class _Settings(Struct, frozen=True, kw_only=True, tag_field="operation"):
    pass


class BlackAndWhite(_Settings, frozen=True, kw_only=True, tag="black_and_white"):
    contrast: Share = 0.5
    grain: Share = 0.25


class Sepia(_Settings, frozen=True, kw_only=True, tag="sepia"):
    strength: Share = 1.0


class Sketch(_Settings, frozen=True, kw_only=True, tag="sketch"):
    strength: Share = 0.6
    """How dark the lines are."""
    is_coloured: bool = False


class Poster(_Settings, frozen=True, kw_only=True, tag="poster"):
    levels: Annotated[int, Meta(ge=3, le=8)] = 5
    outline: Share = 0.6


class Vintage(_Settings, frozen=True, kw_only=True, tag="vintage"):
    strength: Share = 1.0
    grain: Share = 0.3


class Vignette(_Settings, frozen=True, kw_only=True, tag="vignette"):
    strength: Share = 0.6
    radius: Share = 0.4
    """Where the darkening begins, from the centre (0) to the corners (1)."""


class Frame(_Settings, frozen=True, kw_only=True, tag="frame"):
    """Lays the slot's template image `frame` over the photo."""


class Watermark(_Settings, frozen=True, kw_only=True, tag="watermark"):
    """Without a text, the slot's template image `watermark` is the mark."""

    text: Annotated[str, Meta(max_length=100)] = ""
    corner: Corner = "bottom_right"
    opacity: Share = 0.8
    size: Annotated[float, Meta(ge=0.02, le=1)] = 0.4
    """Its width, as a share of the photo's."""


class Original(_Settings, frozen=True, kw_only=True, tag="original"):
    pass


Operation = BlackAndWhite | Sepia | Sketch | Poster | Vintage | Vignette | Frame | Watermark | Original


class Recipe(_Settings, frozen=True, kw_only=True, tag="recipe"):
    """Several operations, one after the other."""

    steps: Annotated[list[Operation], Meta(min_length=1, max_length=8)]
