"""Statistics as the API shows them."""

from datetime import datetime

from msgspec import Struct

from photochanger.features.jobs.models import Status
from photochanger.features.jobs.schemas import FailureDocument, JobDocument


class Active(Struct, frozen=True, kw_only=True):
    """Photos on their way just now. `receiving` and `waiting` are this process's, `processing` everybody's."""

    receiving: int
    """Uploads whose bytes are still coming in."""
    waiting: int
    """Photos that wait for a place in their slot."""
    processing: int


class RecentFailure(FailureDocument, frozen=True, kw_only=True):
    job_id: str
    slot_id: str
    status: Status
    started_at: datetime
    provider: str | None
    """The one that was called last."""


class Stats(Struct, frozen=True, kw_only=True):
    """Of the photos received from `since` to `until` whose job has ended; test runs do not count.

    A photo that was answered with its original counts as the failure it was.
    """

    since: datetime
    until: datetime
    window_minutes: int
    active: Active
    received: int
    delivered: int
    failed: int
    timeout: int
    rejected: int
    delivered_share: float | None
    """Of the received ones; null where none was received."""
    failed_share: float | None
    timeout_share: float | None
    rejected_share: float | None
    p50_ms: int | None
    """Of delivered photos' waits, from the request's first byte; at most 1.6 % beside the true value."""
    p95_ms: int | None
    cost_micros: int
    cost_unknown: int
    """Calls whose cost is unknown; in sums they count as 0."""
    cost_per_delivered_micros: int | None
    storage_bytes: int
    """What lies in the store now, photos, results and previews."""
    recent_jobs: list[JobDocument]
    recent_failures: list[RecentFailure]


class SlotStats(Stats, frozen=True, kw_only=True):
    slot_id: str
    name: str


class SlotsStats(Struct, frozen=True, kw_only=True):
    since: datetime
    until: datetime
    window_minutes: int
    items: list[SlotStats]
