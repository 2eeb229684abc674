"""One post as it comes in, and its answer as it goes out: between `api` and `service`."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime

from msgspec import Struct

from photochanger.adapters.imaging.imaging import File, Rendered
from photochanger.core.errors import Problem
from photochanger.features.ingest.window import Window
from photochanger.features.jobs.models import Attempt, Job
from photochanger.features.jobs.schemas import AttemptDocument, ResultDocument
from photochanger.features.media.models import Media
from photochanger.features.settings.schemas import Settings
from photochanger.features.slots.schemas import ConfiguredSlot, SlotConfig, Step


class Post(Struct, kw_only=True):
    slot_id: str
    address: str
    headers: Mapping[str, str]
    """Lower-case names."""
    idempotency_keys: list[str]
    query: Mapping[str, str]
    content_length: int | None
    chunks: AsyncIterator[bytes]
    """As `web.body.read_chunks` gives them."""
    started: float
    """Monotonic seconds of the request's first byte."""


class Source(Struct, kw_only=True):
    """The uploaded photo, whole in the store."""

    media: Media
    address: str
    key: str | None
    """The sender's Idempotency-Key."""
    album: str | None
    ref: str | None
    style: str | None = None
    """As asked for; perhaps none of the slot's."""
    sent_at: int | None = None
    """By the sender's clock: compared with ours, and kept nowhere."""
    variables: Mapping[str, str] = {}
    """What the guest said, for the prompt. Nobody's business but the vendor's: it is kept nowhere."""


class Timings(Struct, kw_only=True):
    """Seconds, for `Server-Timing`."""

    receive: float = 0.0
    wait: float = 0.0
    provider: float = 0.0
    store: float = 0.0


class Work(Struct, kw_only=True):
    """One open job and everything it needs."""

    job: Job
    slot: ConfiguredSlot
    settings: Settings
    source: Source
    window: Window
    timings: Timings

    @property
    def chain(self) -> list[Step]:
        """Of the style that was asked for where the slot has it, else the slot's own."""
        styles = {style.name: style.chain for style in self.slot.config.styles}
        return styles.get(self.job.style or "", self.slot.config.chain)

    @property
    def may_be_late(self) -> bool:
        return may_be_late(self.slot.config)

    @property
    def owns_source(self) -> bool:
        """A rerun works on the first job's."""
        return self.source.media.job_id == self.job.id


def may_be_late(config: SlotConfig) -> bool:
    return config.failure_policy == "original" if config.late_delivery is None else config.late_delivery


class Ending(Struct, kw_only=True):
    """What came of a job: a result, a problem, or both where the original is handed back."""

    problem: Problem | None = None
    rendered: Rendered | None = None
    kept: list[Media] = []
    outcome: str | None = None
    provider: str | None = None
    late_until: datetime | None = None
    """A call goes on: its photo may come until then."""


class Answer(Struct, kw_only=True):
    job: Job
    slot: ConfiguredSlot
    is_duplicate: bool
    full: File | None
    """The result where it is at hand; else it lies in the store."""
    attempts: list[Attempt]
    timings: Timings


class IngestDocument(Struct, frozen=True, kw_only=True):
    """The JSON answer."""

    job_id: str
    slot_id: str
    status: str
    outcome: str | None
    duplicate: bool
    provider: str | None
    duration_ms: int | None
    started_at: datetime
    cost_micros: int | None
    gallery_url: str
    album_url: str | None
    """Of the album that the photo was sent to."""
    attempts: list[AttemptDocument]
    result: ResultDocument
