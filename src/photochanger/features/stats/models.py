"""What was counted for good: one row for each hour that is over and each slot that got photos in it."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from photochanger.adapters.db.base import Base


class StatsHour(Base):
    """Made of `jobs` and `attempts` alone, so it can be made again."""

    __tablename__ = "stats_hours"

    hour: Mapped[datetime] = mapped_column(primary_key=True)
    """Its beginning; a photo belongs to the hour in which it was received."""
    slot_id: Mapped[str] = mapped_column(ForeignKey("slots.slot_id"), primary_key=True)
    delivered: Mapped[int]
    failed: Mapped[int]
    timeout: Mapped[int]
    rejected: Mapped[int]
    cost_micros: Mapped[int] = mapped_column(BigInteger)
    cost_unknown: Mapped[int]


class StatsWaits(Base):
    """The histogram of an hour's delivered photos, a row for each step (its least milliseconds): SQL adds them up."""

    __tablename__ = "stats_waits"

    hour: Mapped[datetime] = mapped_column(primary_key=True)
    slot_id: Mapped[str] = mapped_column(ForeignKey("slots.slot_id"), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    count: Mapped[int]


class StatsProgress(Base):
    """One row: the hours before `rolled_until` are in `stats_hours`."""

    __tablename__ = "stats_progress"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    rolled_until: Mapped[datetime]
