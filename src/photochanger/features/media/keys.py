"""Names of objects: `{kind}/{slot}/{yyyy}/{mm}/{dd}/{uuid7}-{runner}.{ext}`. No word in them comes from a client.

The time and the runner in a key tell the sweep whose a lone object or an open upload was; the rest is for people.
"""

import re
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from photochanger.core.ids import new_id, time_of

MediaKind = Literal["source", "result", "preview", "template", "evidence", "file", "input"]

_NAME = re.compile(
    r"(?P<id>[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})-(?P<runner>[0-9a-z]+)\.[0-9a-z]+"
)


def object_key(kind: MediaKind, slot_id: str, now: datetime, runner_id: str, extension: str) -> str:
    """A new key; `slot_id` is `-` for media of no slot."""
    day = now.astimezone(UTC)
    return f"{kind}/{slot_id}/{day:%Y/%m/%d}/{new_id(now)}-{runner_id}.{extension}"


def runner_of(key: str) -> str | None:
    """Who made the object; None where the key is none of ours."""
    found = _match(key)
    return found["runner"] if found else None


def made_at(key: str) -> datetime | None:
    """When its upload began; None where the key is none of ours."""
    found = _match(key)
    try:
        return time_of(UUID(found["id"])) if found else None
    except OverflowError:  # a year nobody can write
        return None


def _match(key: str) -> re.Match[str] | None:
    return _NAME.fullmatch(key.rpartition("/")[2])
