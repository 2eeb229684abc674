"""A gallery page as JSON."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct


class PhotoDocument(Struct, frozen=True, kw_only=True):
    job_id: str
    url: str
    thumb_url: str
    screen_url: str
    width: int
    height: int
    created_at: datetime
    expires_at: datetime


class GalleryDocument(Struct, frozen=True, kw_only=True):
    slot_id: str
    title: str
    items: list[PhotoDocument]
    next_page: int | None


class AlbumDocument(Struct, frozen=True, kw_only=True):
    album_id: str
    slot_id: str
    items: list[PhotoDocument]


class GalleryQuery(Struct, frozen=True, kw_only=True):
    page: Annotated[int, Meta(ge=1, le=10_000)] = 1
    k: Annotated[str, Meta(max_length=64)] | None = None
    """The gallery's key, where its access is `link`."""
