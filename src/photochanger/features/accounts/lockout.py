"""When a name is locked for an address. Decides from times alone; what failed is kept in the database."""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

FAILURES: Final = 5
WINDOW: Final = timedelta(minutes=15)
"""Five failures within it lock; so long does the lock last."""

MEMORY: Final = 2 * WINDOW
"""A failure older than this can matter to no lock."""


def subject_of(username: str) -> str:
    """What failures are kept under. A digest: some people type their password into the field for the name."""
    return hashlib.sha256(username.encode("utf-8", "surrogatepass")).hexdigest()


def locked_until(newest_first: Sequence[datetime], now: datetime) -> datetime | None:
    """The end of the lock, from the last failures of one name and address; None while there is none."""
    if len(newest_first) < FAILURES:
        return None
    last, fifth = newest_first[0], newest_first[FAILURES - 1]
    end = last + WINDOW
    # Strictly within: at the end of a lock its failures count no more.
    return end if last - fifth < WINDOW and now < end else None
