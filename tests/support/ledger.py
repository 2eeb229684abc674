"""Jobs as if they had been sent, put straight into the database."""

from datetime import datetime, timedelta
from typing import Any

from photochanger.adapters.db.session import Database
from photochanger.core.ids import new_id, new_token
from photochanger.features.jobs.models import Attempt, Job

CODES = {"failed": "provider-failed", "timeout": "provider-timeout", "rejected": "image-unreadable"}


def ended_job(
    at: datetime, status: str = "done", *, slot: str = "slot-001", wait_ms: int = 2000, **members: Any
) -> Job:
    values: dict[str, Any] = {
        "id": new_id(at),
        "slot_id": slot,
        "slot_version": 1,
        "runner_id": "r",
        "link_token": new_token(),
        "status": status,
        "outcome": "transformed" if status == "done" else None,
        "received_at": at,
        "deadline_at": at + timedelta(seconds=50),
        "finished_at": at + timedelta(milliseconds=wait_ms),
        "duration_ms": wait_ms,
        "failure_code": CODES.get(status),
        "failure_detail": "what to do" if status in CODES else None,
        "cost_micros": 0,
        "expires_at": at.replace(microsecond=0) + timedelta(hours=72),
        "is_test": False,
    }
    if status == "done":
        values["result"] = {"content_type": "image/jpeg", "size_bytes": 1, "width": 1, "height": 1, "sha256": "x"}
    return Job(**values | members)


def call(job: Job, number: int = 1, *, provider: str = "fake", outcome: str = "delivered", **members: Any) -> Attempt:
    values: dict[str, Any] = {
        "id": new_id(job.received_at),
        "job_id": job.id,
        "number": number,
        "step": 0,
        "provider": provider,
        "model": None,
        "started_at": job.received_at,
        "duration_ms": job.duration_ms,
        "outcome": outcome,
        "cost_micros": 0,
    }
    return Attempt(**values | members)


async def keep(database: Database, *rows: Job | Attempt) -> None:
    async with database.write() as session:
        session.add_all([row for row in rows if isinstance(row, Job)])
        await session.flush()
        session.add_all([row for row in rows if isinstance(row, Attempt)])
