"""Identifiers that sort by time and cannot be guessed."""

import secrets
from datetime import UTC, datetime, timedelta
from uuid import UUID

from photochanger.core.errors import Problem


def new_id(now: datetime) -> UUID:
    """A UUIDv7 (RFC 9562): 48 bits of milliseconds, then 74 bits that all come from `secrets`.

    Libraries fill part of those bits with a counter, which makes neighbouring ids guessable.
    """
    milliseconds = int(now.timestamp() * 1000)
    random = secrets.randbits(74)
    high, low = random >> 62, random & (1 << 62) - 1
    return UUID(int=milliseconds << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low)


def time_of(made: UUID) -> datetime:
    """When a UUIDv7 was made, to the millisecond."""
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=made.int >> 80)


def first_id(at: datetime) -> UUID:
    """No UUIDv7 made at that time or later is smaller."""
    return UUID(int=max(0, int(at.timestamp() * 1000)) << 80)


def last_id(at: datetime) -> UUID:
    """No UUIDv7 made at that time or earlier is greater."""
    return UUID(int=first_id(at).int | (1 << 80) - 1)


def parse_id(text: str, *, missing: str = "not-found") -> UUID:
    """The UUID that `text` spells canonically; any other spelling is an unknown id (`missing`)."""
    try:
        found = UUID(text)
    except ValueError:
        raise Problem(missing) from None
    if str(found) != text:
        raise Problem(missing)
    return found


def new_token() -> str:
    """128 random bits, URL-safe."""
    return secrets.token_urlsafe(16)
