"""One stored object with a row. A visible row has a whole object."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from photochanger.adapters.db.base import Base


class Media(Base):
    __tablename__ = "media"
    __table_args__ = (
        Index(
            "ix_media_due",
            "expires_at",
            sqlite_where=text("evicted_at IS NULL"),
            postgresql_where=text("evicted_at IS NULL"),
        ),
        Index(  # all that is stored, told from the index alone: whose keys, how many of a kind, how many bytes
            "ix_media_stored",
            "object_key",
            sqlite_where=text("evicted_at IS NULL"),
            postgresql_where=text("evicted_at IS NULL"),
            postgresql_include=["kind", "size_bytes"],
        ),
        Index("ix_media_job_id_variant", "job_id", "variant"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    """`keys.MediaKind`."""
    variant: Mapped[str]
    """Of a result: `full`, `thumb.webp`, `thumb.jpeg`, `screen.webp`, `screen.jpeg`; else empty."""
    store: Mapped[str]
    object_key: Mapped[str] = mapped_column(unique=True)
    content_type: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    width: Mapped[int | None]
    height: Mapped[int | None]
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    """Whole seconds; null: until it is deleted by hand."""
    evicted_at: Mapped[datetime | None]
