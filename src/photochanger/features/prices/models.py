"""What vendors bill, each price from a moment on: the ledger can be computed anew for any day."""

from datetime import datetime

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from photochanger.adapters.db.base import Base


class Price(Base):
    __tablename__ = "prices"

    provider: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    """Empty: every model that has no price of its own."""
    unit: Mapped[str] = mapped_column(primary_key=True)
    valid_from: Mapped[datetime] = mapped_column(primary_key=True)
    micros: Mapped[int] = mapped_column(BigInteger)
    """Millionths of a US dollar."""
