"""The last wall time that was trusted: what a clock is compared with after a restart."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from photochanger.adapters.db.base import Base


class SeenTime(Base):
    """One row, which all processes share."""

    __tablename__ = "seen_time"

    key: Mapped[str] = mapped_column(primary_key=True)
    seen_at: Mapped[datetime]
