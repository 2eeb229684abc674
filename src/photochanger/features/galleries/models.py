"""Albums: photos that were sent with the same `album`, in the order they were sent."""

from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from photochanger.adapters.db.base import Base


class Album(Base):
    __tablename__ = "albums"
    __table_args__ = (UniqueConstraint("slot_id", "key"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    slot_id: Mapped[str] = mapped_column(ForeignKey("slots.slot_id"))
    key: Mapped[str]


class AlbumItem(Base):
    __tablename__ = "album_items"

    album_id: Mapped[UUID] = mapped_column(ForeignKey("albums.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), unique=True)
