"""What a sender says beside the photo, in text parts, query and headers. Whatever is not named here is dropped.

The values are people's: they belong in no log.
"""

import re
from collections.abc import Collection, Mapping

from msgspec import Struct

from photochanger.core.errors import Problem
from photochanger.features.slots.access import password_of

_REF = re.compile(r"[A-Za-z0-9_-]{4,64}")
_KEY = re.compile(r"[!-~]{1,255}")
_ALBUM_CHARACTERS = 200
_TIME = re.compile(r"[0-9]{1,12}")
_STYLE_CHARACTERS = 64
"""Twice what a slot's style may be named with: a longer one is unknown, and stays so when cut."""
_SECRETS = frozenset({"password", "key"})


class IngestFields(Struct, frozen=True, kw_only=True):
    album: str | None
    ref: str | None
    """The sender's own id of a photo or session."""
    style: str | None
    """Perhaps none of the slot's."""
    sent_at: int | None
    """Epoch seconds by the sender's own clock; None where it says none, or something else."""
    variables: dict[str, str]
    """What a prompt may use."""


def read_password(headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
    """The slot's password as far as it is known before the body; header names are in lower case.

    None leaves it to the text part. An empty one is one, and wrong.
    """
    header = password_of(headers.get("x-slot-password"))
    return query.get("key") if header is None else header


def read_idempotency_key(values: list[str]) -> str | None:
    """The key, without the quotes that the header's draft standard puts around it."""
    if not values:
        return None
    key = values[0].strip(" \t")
    if key.startswith('"') and key.endswith('"'):
        key = key[1:-1]
    if len(values) > 1 or not _KEY.fullmatch(key):
        raise Problem("idempotency-key-invalid")
    return key


def read_fields(texts: Mapping[str, str], query: Mapping[str, str], names: Collection[str]) -> IngestFields:
    """`names` are the slot's variables. A text part wins over the query: it was written for this one photo."""
    said = {**query, **texts}
    variables = {name: value for name, value in said.items() if _is_variable(name, names)}
    if any("\0" in value for value in variables.values()):
        raise _malformed("Send variables without NUL characters.")
    return IngestFields(
        album=_read_album(texts.get("album")),
        ref=_read_ref(said.get("ref")),
        style=said.get("style", "").replace("\0", "")[:_STYLE_CHARACTERS] or None,
        sent_at=_read_time(texts.get("time")),
        variables=variables,
    )


def _is_variable(name: str, names: Collection[str]) -> bool:
    """A password is none, whatever a slot declares: a prompt is shown to people and sent to vendors."""
    return name not in _SECRETS and (is_always_variable(name) or name in names)


def is_always_variable(name: str) -> bool:
    """Breeze Booth's own; the others a slot declares."""
    return name.startswith("survey") or name in {"qr1", "qr2"}


def _read_album(value: str | None) -> str | None:
    if value is None:
        return None
    album = value.strip()
    if not 1 <= len(album) <= _ALBUM_CHARACTERS:
        raise _malformed(f"Send an album of 1 to {_ALBUM_CHARACTERS} characters, or none.")
    return album


def _read_ref(value: str | None) -> str | None:
    if value is not None and not _REF.fullmatch(value):
        raise _malformed("Send a ref of 4 to 64 of the characters A-Z, a-z, 0-9, _ and -, or none.")
    return value


def _read_time(value: str | None) -> int | None:
    """Booths send it unasked, so what cannot be read is no reason to refuse a photo."""
    return int(value) if value is not None and _TIME.fullmatch(value) else None


def _malformed(detail: str) -> Problem:
    return Problem("malformed-upload", detail)
