"""What a vendor is told to do, call by call."""

import random
from typing import Annotated, Literal

from msgspec import Meta, Struct

Act = Literal[
    "deliver",
    "thoughts",  # drafts and thoughts before the picture
    "text_only",
    "no_image",
    "blocked",
    "rate_limited",
    "server_error",
    "wrong_key",
    "retired_model",
    "echo",  # refused in words that repeat the prompt or its end, and the photo's link where there is one
    "flaky",  # faults on the way to a picture that is made: while it is asked for, and when it is fetched
    "queue",  # for ever waiting in the queue; where there is none, silence
    "hang",
    "drip",
    "reset",
    "cut",  # the connection ends in the middle of the picture
    "endless",
    "gzip_bomb",
    "redirect",
    "truncated",  # the picture ends early, the answer does not
    "not_an_image",
    "megapixels",
]
MAKES_A_PICTURE = {
    *("deliver", "thoughts", "flaky", "drip", "cut", "endless", "gzip_bomb", "redirect"),
    *("truncated", "not_an_image", "megapixels"),
}
"""What a vendor bills for: it did its work, whatever came of it."""


class Behaviour(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    do: Act = "deliver"
    delay_ms: Annotated[int, Meta(ge=0, le=3_600_000)] = 0
    weight: Annotated[float, Meta(gt=0)] = 1.0
    """In a mix: how often, in proportion to the others."""
    reason: str | None = None
    """The vendor's word for `no_image` and `blocked`."""
    status: Annotated[int, Meta(ge=500, le=599)] = 503
    """Of `server_error`."""
    retry_after_seconds: float | None = None
    """Of `rate_limited` and `server_error`."""
    location: str = "http://169.254.169.254/latest/meta-data/"
    """Of `redirect`."""
    format: Literal["jpeg", "png", "webp"] = "jpeg"
    shape: Annotated[str, Meta(pattern=r"^[1-9][0-9]?:[1-9][0-9]?$")] | None = None
    """Null: as it was asked for."""
    by_link: bool = False
    """OpenAI's: the picture lies behind a link, as some of those who speak like it do."""
    transparent: bool = False
    """Half of a PNG or WebP is clear."""
    content_type: str | None = None
    """A wrong one; null: the right one."""


class Script(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """First `sequence`, one a call; then draws from `mix`; without one every call delivers."""

    sequence: list[Behaviour] = []
    mix: list[Behaviour] = []
    seed: int = 0
    """Equal seeds, equal draws."""
    probe: Behaviour = Behaviour()
    """How the call that only looks is answered."""
    price_micros: Annotated[int, Meta(ge=0)] | None = None
    """Of one picture; null: the vendor's list price, as far as there is one."""


class Actor:
    """Plays one vendor's script."""

    def __init__(self) -> None:
        self.follow(Script())

    def follow(self, script: Script) -> None:
        self.script = script
        self._left = list(script.sequence)
        self._chance = random.Random(script.seed)  # noqa: S311 – a load run has to be repeatable

    def next(self) -> Behaviour:
        if self._left:
            return self._left.pop(0)
        mix = self.script.mix
        return self._chance.choices(mix, [each.weight for each in mix])[0] if mix else Behaviour()
