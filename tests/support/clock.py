"""A clock that stands still until a test moves it."""

import time
from datetime import UTC, datetime, timedelta


class FakeClock:
    def __init__(self, now: datetime = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)) -> None:
        self._start = now
        self.restart()

    def restart(self) -> None:
        self._now = self._start
        self._monotonic = 1000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, **amount: float) -> None:
        """By `seconds=`, `minutes=`, `hours=` …: both kinds of time."""
        step = timedelta(**amount)
        self._now += step
        self._monotonic += step.total_seconds()

    def jump(self, **amount: float) -> None:
        """As somebody does who sets it."""
        self._now += timedelta(**amount)


class RunningClock(FakeClock):
    """Its monotonic time goes on by itself, for windows that really close; `advance` still jumps."""

    def restart(self) -> None:
        super().restart()
        self._began = time.monotonic()

    def monotonic(self) -> float:
        return super().monotonic() + time.monotonic() - self._began
