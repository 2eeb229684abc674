"""Who may sign in. An account of the credentials file has a row too (`origin` = file), which only that file changes."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from photochanger.adapters.db.base import Base

Role = Literal["admin", "operator", "member"]
Origin = Literal["product", "file"]


class Account(Base):
    __tablename__ = "accounts"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    username: Mapped[str]
    """Compared exactly."""
    username_folded: Mapped[str] = mapped_column(unique=True)
    """Keeps `Anna` and `anna` from being two people."""
    password_hash: Mapped[str]
    role: Mapped[str]
    origin: Mapped[str]
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class Session(Base):
    """A token is alive only while its row is."""

    __tablename__ = "sessions"
    __table_args__ = (Index("ix_sessions_expires_at", "expires_at"),)

    jti: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    address: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class LoginFailure(Base):
    """The lock of a name, or of a gallery's PIN, and an address survives a restart and holds on every replica."""

    __tablename__ = "login_failures"
    __table_args__ = (
        Index("ix_login_failures_subject_address_failed_at", "subject", "address", "failed_at"),
        Index("ix_login_failures_failed_at", "failed_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    subject: Mapped[str]
    address: Mapped[str]
    failed_at: Mapped[datetime]
