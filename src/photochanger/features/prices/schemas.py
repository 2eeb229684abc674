"""A price as the API takes and shows it."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

UNIT_PATTERN = r"^(call|vision|image(:[A-Za-z0-9._-]{1,20})?|1k_(input|output)(_(text|image))?_tokens)$"
_Name = Annotated[str, Meta(max_length=32, pattern=r"^[a-z][a-z0-9_-]*$")]
_Model = Annotated[str, Meta(min_length=1, max_length=100)]
_Unit = Annotated[str, Meta(max_length=40, pattern=UNIT_PATTERN)]


class PriceDocument(Struct, frozen=True, kw_only=True):
    provider: _Name
    unit: _Unit
    """`image`: a delivered picture; `image:4K`: one of that size; `1k_input_tokens`, `1k_output_image_tokens` …: so
    many tokens, which count instead of pictures where the answer tells them; `call`: any call, picture or not;
    `vision`: a picture that was looked at."""
    micros: Annotated[int, Meta(ge=0, le=1_000_000_000_000)]
    """Millionths of a US dollar."""
    model: _Model | None = None
    """Null: every model that has no price of its own."""
    valid_from: Annotated[datetime, Meta(tz=True)] | None = None
    """In PUT, left out or null: from now on."""


class PriceList(Struct, frozen=True):
    items: list[PriceDocument]
