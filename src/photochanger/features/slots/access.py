"""Who may look at a slot's gallery. A guest's own link (`?t=`) is the job's business, not the gallery's."""

import hmac
from base64 import urlsafe_b64encode

from photochanger.core.errors import Problem
from photochanger.features.slots.schemas import ConfiguredSlot


class GalleryAccess:
    def __init__(self, key: bytes) -> None:
        self._key = key

    def check(self, gallery: ConfiguredSlot, *, link: str | None, pin_cookie: str | None) -> None:
        """Raises `gallery-not-found` (off, wrong link) or `pin-required`."""
        match gallery.config.gallery.access:
            case "open":
                return
            case "link" if hmac.compare_digest((link or "").encode(), gallery.link_token.encode()):
                return
            case "pin" if hmac.compare_digest((pin_cookie or "").encode(), self.pin_cookie(gallery).encode()):
                return
            case "pin":
                raise Problem("pin-required")
        raise Problem("gallery-not-found")

    def pin_cookie(self, gallery: ConfiguredSlot) -> str:
        """What a visitor keeps who gave the PIN: good for this gallery and this PIN only."""
        subject = f"{gallery.slot_id}\0{gallery.pin_hash}".encode()
        return urlsafe_b64encode(hmac.digest(self._key, subject, "sha256")).decode().rstrip("=")

    @staticmethod
    def cookie_name(gallery: ConfiguredSlot) -> str:
        return f"gallery_{gallery.slot_id}"


def password_of(header: str | None) -> str | None:
    """What `X-Slot-Password` says: senders write UTF-8, ASGI servers read Latin-1."""
    try:
        return header and header.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return header


def may_see_photo(
    access: GalleryAccess,
    gallery: ConfiguredSlot | None,
    photo_token: str,
    *,
    token: str | None,
    link: str | None,
    pin_cookie: str | None,
) -> None:
    """A photo's own `?t=` always opens it; without it the gallery's access decides. Raises `result-not-found` or
    `pin-required`. Without a `gallery`, as test runs are, nothing else does.
    """
    if token is not None and hmac.compare_digest(token.encode(), photo_token.encode()):
        return
    if gallery is None:
        raise Problem("result-not-found")
    try:
        access.check(gallery, link=link, pin_cookie=pin_cookie)
    except Problem as problem:
        if problem.code == "gallery-not-found":
            raise Problem("result-not-found") from None
        raise
