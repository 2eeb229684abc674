"""Who acts, and an entry as the API shows it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct


class Actor(Struct, frozen=True):
    """Who changes something, and from which address. Not every actor is an account."""

    name: str
    address: str = ""

    @classmethod
    def system(cls) -> "Actor":
        return cls("system")

    @classmethod
    def command_line(cls) -> "Actor":
        return cls("command line")


class AuditFilters(Struct, frozen=True, kw_only=True):
    """None means any. Entries are from `since` on and before `until`."""

    actor: str | None = None
    action: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class AuditDocument(Struct, frozen=True, kw_only=True):
    id: UUID
    at: datetime
    actor: str
    address: str
    action: str
    subject: str
    detail: dict[str, Any]
