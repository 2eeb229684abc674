"""A job as the API shows it."""

from datetime import datetime

from msgspec import UNSET, Struct, UnsetType

from photochanger.features.jobs.models import Outcome, Status


class ResultSummary(Struct, frozen=True, kw_only=True):
    """The full-size result, kept on its job so that lists need no other table."""

    content_type: str
    size_bytes: int
    width: int
    height: int
    sha256: str


class ResultDocument(ResultSummary, frozen=True, kw_only=True):
    url: str
    expires_at: datetime


class FailureDocument(Struct, frozen=True):
    code: str
    detail: str


class AttemptDocument(Struct, frozen=True, kw_only=True):
    """One call of one provider."""

    step: int
    provider: str
    model: str | None
    started_at: datetime
    duration_ms: int | None
    outcome: str
    error: str | None
    cost_micros: int | None
    """Null where the vendor may have billed and did not say."""
    vendor_request_id: str | None


class JobDocument(Struct, frozen=True, kw_only=True):
    job_id: str
    slot_id: str
    status: Status
    outcome: Outcome | None
    started_at: datetime
    finished_at: datetime | None
    duration_ms: int | None
    failure: FailureDocument | None
    result: ResultDocument | None
    provider: str | None
    rerun_of: str | None
    ref: str | UnsetType = UNSET
    """This member and those below only for an administrator, or with the slot's password."""
    style: str | UnsetType = UNSET
    note: str | UnsetType = UNSET
    """What an administrator should know of it."""
    hidden: bool | UnsetType = UNSET
    approved: bool | UnsetType = UNSET
    expires_at: datetime | UnsetType = UNSET
    cost_micros: int | UnsetType | None = UNSET
    attempts: list[AttemptDocument] | UnsetType = UNSET
