"""One ingest, its provider calls, its claim on a photo, and the process that runs it."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from photochanger.adapters.db.base import Base

Status = Literal["processing", "done", "failed", "timeout", "rejected"]
Outcome = Literal["transformed", "original", "late"]

_VISIBLE = text(
    "outcome IS NOT NULL AND hidden_at IS NULL AND removed_at IS NULL AND approved_at IS NOT NULL AND is_test IS false"
)


class Job(Base):
    """`UPDATE … WHERE status = 'processing'`: never backwards, finished once."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_received_at", "received_at"),
        Index("ix_jobs_slot_id_received_at", "slot_id", "received_at"),
        Index("ix_jobs_slot_id_id", "slot_id", "id"),
        Index("ix_jobs_status_id", "status", "id"),
        Index("ix_jobs_expires_at", "expires_at"),
        Index(  # with all that a gallery asks for: what has expired is passed over without being read
            "ix_jobs_visible",
            *("slot_id", "finished_at", "id", "expires_at"),
            sqlite_where=_VISIBLE,
            postgresql_where=_VISIBLE,
        ),
        Index(
            "ix_jobs_processing",
            "deadline_at",
            sqlite_where=text("status = 'processing'"),
            postgresql_where=text("status = 'processing'"),
        ),
        Index(
            "ix_jobs_late",
            "late_until",
            sqlite_where=text("late_until IS NOT NULL"),
            postgresql_where=text("late_until IS NOT NULL"),
        ),
        Index(
            "ix_jobs_failures",
            "received_at",
            sqlite_where=text("failure_code IS NOT NULL"),
            postgresql_where=text("failure_code IS NOT NULL"),
        ),
        Index(  # with all that a budget asks for
            "ix_jobs_spent",
            *("slot_id", "received_at", "cost_micros"),
            sqlite_where=text("cost_micros > 0"),
            postgresql_where=text("cost_micros > 0"),
        ),
        Index(
            "ix_jobs_ref",
            "slot_id",
            "ref",
            sqlite_where=text("ref IS NOT NULL"),
            postgresql_where=text("ref IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    slot_id: Mapped[str] = mapped_column(ForeignKey("slots.slot_id"))
    slot_version: Mapped[int]
    runner_id: Mapped[str]
    rerun_of: Mapped[UUID | None]
    ref: Mapped[str | None]
    album: Mapped[str | None]
    """The key it was sent with: a rerun's result joins the same album."""
    style: Mapped[str | None]
    """The slot's style that it ran with; null: the slot's own chain."""
    note: Mapped[str | None]
    """What an administrator should know of it."""
    link_token: Mapped[str]
    """`?t=`: the guest's own link works whatever the gallery's access is."""
    status: Mapped[str]
    outcome: Mapped[str | None]
    """Null as long as there is no result to see."""
    provider: Mapped[str | None]
    received_at: Mapped[datetime]
    deadline_at: Mapped[datetime]
    late_until: Mapped[datetime | None]
    """While a call goes on after the window closed: when it ends at the latest."""
    finished_at: Mapped[datetime | None]
    duration_ms: Mapped[int | None]
    failure_code: Mapped[str | None]
    failure_detail: Mapped[str | None]
    source_sha256: Mapped[str | None]
    cost_micros: Mapped[int | None] = mapped_column(BigInteger)
    result: Mapped[dict[str, Any] | None]
    """`schemas.ResultSummary` of the full-size result: what lists and pages show without reading `media`."""
    approved_at: Mapped[datetime | None]
    """Null while the gallery's `approve_first` holds the photo back."""
    hidden_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    """Whole seconds. A job without a result lives as long as its result would have."""
    is_test: Mapped[bool] = mapped_column(default=False)


class JobClaim(Base):
    """One photo, one job, on every replica.

    Kind `hash`: `{sha256}:{slot_version}`; kind `key`: the sender's Idempotency-Key.
    """

    __tablename__ = "job_claims"
    __table_args__ = (
        Index(
            "ix_job_claims_expires_at",
            "expires_at",
            sqlite_where=text("expires_at IS NOT NULL"),
            postgresql_where=text("expires_at IS NOT NULL"),
        ),
    )

    slot_id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    job_id: Mapped[UUID] = mapped_column(
        # The claim is inserted before its job: whoever gets the claim may open the job.
        ForeignKey("jobs.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED"),
        index=True,
    )
    expires_at: Mapped[datetime | None]
    """Null: as long as the job's result lives."""


class Attempt(Base):
    """One call of one provider. Written as `cancelled` before the call, so a crash leaves a trace of possible cost."""

    __tablename__ = "attempts"
    __table_args__ = (
        UniqueConstraint("job_id", "number"),
        Index("ix_attempts_started_at", "started_at"),
        Index(
            "ix_attempts_unknown",
            "started_at",
            sqlite_where=text("cost_micros IS NULL"),
            postgresql_where=text("cost_micros IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    number: Mapped[int]
    step: Mapped[int]
    provider: Mapped[str]
    model: Mapped[str | None]
    started_at: Mapped[datetime]
    duration_ms: Mapped[int | None]
    outcome: Mapped[str]
    error: Mapped[str | None]
    vendor_request_id: Mapped[str | None]
    usage: Mapped[dict[str, Any] | None]
    cost_micros: Mapped[int | None] = mapped_column(BigInteger)
    """Null where the vendor may have billed and did not say."""


class Runner(Base):
    """A process that runs jobs: alive while its lock file is held and its heartbeat is fresh."""

    __tablename__ = "runners"

    runner_id: Mapped[str] = mapped_column(primary_key=True)
    home: Mapped[str]
    """A random id kept in the data directory: "same machine" means the same home."""
    beat_at: Mapped[datetime]
