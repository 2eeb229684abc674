"""Links to objects of a store that has none of its own: the product's address and a token that says what and how long.

Whoever has the link has the object, so a link is never logged.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from photochanger.core.errors import Problem

PATH = "/public/store/"
_EPOCH = datetime.fromtimestamp(0, UTC)
_MAC_BYTES = 32
_TIME_BYTES = 8


class LinkSigner:
    """Signs with HMAC-SHA256. `base_url` is asked for every link: without PUBLIC_BASE_URL it depends on the request."""

    def __init__(self, key: bytes, base_url: Callable[[], str], *, path: str = PATH) -> None:
        self._key = key
        self._base_url = base_url
        self._path = path

    def sign(self, key: str, expires_at: datetime) -> str:
        microseconds = (expires_at - _EPOCH) // timedelta(microseconds=1)
        return f"{self._base_url()}{self._path}{self._token(key, microseconds)}"

    def verify(self, token: str, now: datetime) -> str:
        """The object's key. `not-found` for a token that is forged, spelled otherwise, or over."""
        try:
            signed = urlsafe_b64decode(token + "=" * (-len(token) % 4))[_MAC_BYTES:]
            microseconds = int.from_bytes(signed[:_TIME_BYTES], "big")
            key = signed[_TIME_BYTES:].decode("ascii")
            is_ours = hmac.compare_digest(self._token(key, microseconds).encode(), token.encode())
        except ValueError:
            raise Problem("not-found") from None
        if not is_ours or now >= _EPOCH + timedelta(microseconds=microseconds):
            raise Problem("not-found")
        return key

    def _token(self, key: str, microseconds: int) -> str:
        signed = microseconds.to_bytes(_TIME_BYTES, "big") + key.encode("ascii")
        mac = hmac.digest(self._key, signed, hashlib.sha256)
        return urlsafe_b64encode(mac + signed).decode().rstrip("=")
