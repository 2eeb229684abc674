"""The slots and every version of their configuration."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from photochanger.adapters.db.base import Base


class Slot(Base):
    __tablename__ = "slots"

    slot_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    enabled: Mapped[bool]
    version: Mapped[int]
    """`UPDATE … WHERE version = ?` changes one row or is a conflict."""
    config: Mapped[dict[str, Any]]
    """`schemas.SlotConfig`."""
    password_hash: Mapped[str | None]
    pin_hash: Mapped[str | None]
    link_token: Mapped[str]
    """Unguessable; part of the gallery's secret link and of the guests' pages."""
    updated_at: Mapped[datetime]
    updated_by: Mapped[str]


class SlotVersion(Base):
    """Every job can name the configuration it ran with."""

    __tablename__ = "slot_versions"

    slot_id: Mapped[str] = mapped_column(ForeignKey("slots.slot_id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    enabled: Mapped[bool]
    config: Mapped[dict[str, Any]]
    changed_at: Mapped[datetime]
    changed_by: Mapped[str]
