"""What sign-in takes and gives, and an account as others see it. No document here holds a hash."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import Struct

from photochanger.features.accounts.models import Origin, Role


class LoginInput(Struct, frozen=True):
    username: str
    password: str
    otp: str | None = None
    """Ignored: no account has a second factor."""


class Token(Struct, frozen=True, kw_only=True):
    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 – not a secret
    expires_in: int
    """Seconds."""


class Identity(Struct, frozen=True):
    """Who is signed in, by which session."""

    account_id: UUID
    username: str
    role: Role
    jti: UUID


class AccountDocument(Struct, frozen=True, kw_only=True):
    username: str
    role: Role
    origin: Origin
    created_at: datetime
    disabled_at: datetime | None
