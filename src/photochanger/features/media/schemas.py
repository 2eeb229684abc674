"""Names of what is kept, and documents about it."""

from typing import Literal

from msgspec import Struct

Variant = Literal["full", "thumb.webp", "thumb.jpeg", "screen.webp", "screen.jpeg"]


class CleanupDocument(Struct, frozen=True):
    evicted: int
    freed_bytes: int


class TemplateDocument(Struct, frozen=True, kw_only=True):
    media_id: str
    content_type: str
    size_bytes: int
    width: int
    height: int
