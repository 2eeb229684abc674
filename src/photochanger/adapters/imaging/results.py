"""What imaging hands out, and what it says when it cannot. Crosses process boundaries, so plain and picklable."""

from msgspec import Struct

from photochanger.adapters.providers.driver import Picture


class Prepared(Struct, frozen=True, kw_only=True):
    """A photo as providers get it."""

    picture: Picture
    width: int
    height: int
    has_alpha: bool
    """Whether anything in it is really transparent."""
    source_width: int
    source_height: int
    """The upload's own size, upright."""


class File(Struct, frozen=True, kw_only=True):
    data: bytes
    media_type: str
    width: int
    height: int


class Rendered(Struct, frozen=True, kw_only=True):
    """A result and what browsers show of it. sRGB, without any metadata."""

    full: File
    thumb_webp: File
    thumb_jpeg: File
    screen_webp: File
    screen_jpeg: File


class Unreadable(Exception):  # noqa: N818 – named for the fact
    """Damaged, cut short, or of another format than was said."""


class TooManyPixels(Exception):  # noqa: N818
    """Said by the header alone; nothing was decoded."""


class Unusable(Exception):  # noqa: N818
    """An operation misses what it needs; the text says what to do."""


class WorkerStopped(Exception):  # noqa: N818
    """The worker took too long, too much memory, or crashed."""

    def __init__(self, *, was_too_slow: bool) -> None:
        self.was_too_slow = was_too_slow
        super().__init__("took too long" if was_too_slow else "crashed or took too much memory")
