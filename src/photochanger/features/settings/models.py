"""What an administrator saved. What nobody saved is not here and comes from the environment or the default."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from photochanger.adapters.db.base import Base


class SavedSettings(Base):
    __tablename__ = "settings"

    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[dict[str, Any]]
    version: Mapped[int]
    updated_at: Mapped[datetime | None]
    updated_by: Mapped[str | None]
