"""The only source of time. Everything that asks for the time gets a clock handed in, so tests can move it."""

import time
from datetime import UTC, datetime
from typing import Protocol, runtime_checkable


@runtime_checkable  # handlers get it injected, which looks at its kind
class Clock(Protocol):
    def now(self) -> datetime:
        """The wall time, aware, UTC: for what is stored and shown."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start: for windows and durations, which a clock jump must not stretch."""
        ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()
