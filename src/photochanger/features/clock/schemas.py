"""What a confirmation answers."""

from datetime import datetime

from msgspec import Struct


class ClockDocument(Struct, frozen=True, kw_only=True):
    now: datetime
    """This machine's time, which is trusted from here on."""
    moved_seconds: int
    """How far it was from what was expected; 0 where there was nothing to confirm."""
