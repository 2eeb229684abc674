"""The numbers of some photos, that can be added up. Pure.

Waits are counted in steps, 32 for each doubling: percentiles are the same whether they come from jobs or from hours
that were added up, and at most 1/64 (1.6 %) beside the true ones; below 64 ms they are exact.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from math import ceil

from msgspec import Struct

HOUR = timedelta(hours=1)
EXACT_MS = 64
STEPS = 32
LONGEST_MS = 1 << 22
"""More than an hour: nobody waits so long."""


ENDS = ("delivered", "failed", "timeout", "rejected")
COUNTS = (*ENDS, "cost_micros", "cost_unknown")
"""What simply adds up."""


class Numbers(Struct):
    delivered: int = 0
    failed: int = 0
    timeout: int = 0
    rejected: int = 0
    cost_micros: int = 0
    cost_unknown: int = 0
    """Calls that may have been billed and whose vendor did not say."""
    waits: dict[int, int] = {}
    """Delivered photos by the least milliseconds of their step."""

    @property
    def received(self) -> int:
        return self.delivered + self.failed + self.timeout + self.rejected

    def percentile(self, share: float) -> int | None:
        """The middle of the step in which the photo lies that waited longer than `share` of all."""
        rank = ceil(share * sum(self.waits.values()))
        for least_ms in sorted(self.waits):
            rank -= self.waits[least_ms]
            if rank <= 0:
                return least_ms + (step_width(least_ms) - 1) // 2
        return None


def total(parts: Iterable[Numbers]) -> Numbers:
    whole = Numbers()
    for part in parts:
        for name in COUNTS:
            setattr(whole, name, getattr(whole, name) + getattr(part, name))
        for least_ms, count in part.waits.items():
            whole.waits[least_ms] = whole.waits.get(least_ms, 0) + count
    return whole


def step_width(milliseconds: int) -> int:
    """How wide the step is in which a wait falls."""
    return 1 if milliseconds < EXACT_MS else (1 << (milliseconds.bit_length() - 1)) // STEPS


def hour_of(moment: datetime) -> datetime:
    """The beginning of the hour that it lies in."""
    return moment.replace(minute=0, second=0, microsecond=0)
