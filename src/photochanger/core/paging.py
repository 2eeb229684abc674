"""Lists in pages. A cursor is opaque, signed, and good only for the list that gave it."""

import base64
import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Generic, TypeVar

import msgspec

from photochanger.core.forms import Mistakes, invalid
from photochanger.core.limits import QUERY_SPAN_DAYS

_SIGNATURE_BYTES = 12
Item = TypeVar("Item")


class Page(msgspec.Struct, Generic[Item]):
    items: list[Item]
    next_cursor: str | None


class Cursors:
    def __init__(self, key: bytes) -> None:
        self._key = key

    def encode(self, listing: str, position: str) -> str:
        """A cursor behind `position`, the sort key of the last item shown."""
        raw = position.encode()
        return base64.urlsafe_b64encode(self._sign(listing, raw) + raw).decode().rstrip("=")

    def decode(self, listing: str, cursor: str | None) -> str | None:
        """The position in `cursor`, or None for the first page; `validation-failed` where it is not ours."""
        if cursor is None:
            return None
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            signature, position = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
            if hmac.compare_digest(signature, self._sign(listing, position)):
                return position.decode()
        except ValueError:
            pass
        raise invalid("cursor", "is not a cursor of this list")

    def _sign(self, listing: str, position: bytes) -> bytes:
        return hmac.digest(self._key, listing.encode() + b"\0" + position, hashlib.sha256)[:_SIGNATURE_BYTES]


def check_span(since: datetime | None, until: datetime | None, now: datetime) -> None:
    """`validation-failed` for a window of time that is backwards or too long; one without an end goes on to `now`."""
    if since is None:
        return
    mistakes = Mistakes()
    if until is not None and until < since:
        mistakes.add("until", "must not be before since")
    if (until or now) - since > timedelta(days=QUERY_SPAN_DAYS):
        mistakes.add("since", f"must be at most {QUERY_SPAN_DAYS} days before until, or before now")
    mistakes.raise_if_any()
