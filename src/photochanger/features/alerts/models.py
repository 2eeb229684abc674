"""What is wrong just now, and what is still to be told about it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from photochanger.adapters.db.base import Base


class Alert(Base):
    """There while it lasts: who inserts the row tells that it began, who deletes it that it is over."""

    __tablename__ = "alerts"

    kind: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[UUID]
    raised_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    """When it was last found to be so, by any process."""


class AlertMessage(Base):
    """One POST, kept until it is taken. They go out in the order of their ids."""

    __tablename__ = "alert_messages"

    id: Mapped[int] = mapped_column(primary_key=True)
    document: Mapped[dict[str, Any]]
    try_count: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime]
