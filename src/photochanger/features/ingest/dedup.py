"""The same photo, one job, on every replica.

Never look before the insert: whoever's INSERT of the claim goes through opens the job; everybody else reads the row
under a lock and then judges. See `docs/adr/0007-claims-before-looks.md`.
"""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from photochanger.core.errors import Problem
from photochanger.features.jobs.models import Job, JobClaim
from photochanger.features.jobs.service import has_result, is_running, jobs_in

KEY_LIFE = timedelta(hours=24)


async def claim_or_join(
    session: AsyncSession, job: Job, *, key: str | None, duplicate_window_seconds: int | None, now: datetime
) -> Job | None:
    """Claims the photo for `job`, or gives the earlier job to join. Where a key is sent, the key alone decides.

    Raises `idempotency-key-reused` where the key came with other bytes.
    """
    claims = _Claims(session, job, now)
    if key is not None:
        earlier = await claims.claim("key", key, expires_at=now + KEY_LIFE)
        if earlier is not None:
            return earlier
    if duplicate_window_seconds == 0:
        return None
    expires_at = None if duplicate_window_seconds is None else now + timedelta(seconds=duplicate_window_seconds)
    earlier = await claims.claim("hash", f"{job.source_sha256}:{job.slot_version}", expires_at=expires_at)
    return earlier if key is None else None


class _Claims:
    def __init__(self, session: AsyncSession, job: Job, now: datetime) -> None:
        self._jobs = jobs_in(session)
        self._job = job
        self._now = now

    async def claim(self, kind: str, value: str, *, expires_at: datetime | None) -> Job | None:
        """None where the claim is this job's now; else the living job that has it."""
        slot_id, job_id = self._job.slot_id, self._job.id
        if await self._jobs.claim(slot_id, kind, value, job_id=job_id, expires_at=expires_at):
            return None
        claim = await self._jobs.find_claim(slot_id, kind, value)
        if claim is None:  # released between the two statements: the database waited for that transaction
            return await self.claim(kind, value, expires_at=expires_at)
        earlier = await self._living(claim)
        if earlier is None:
            claim.job_id, claim.expires_at = job_id, expires_at
        return earlier

    async def _living(self, claim: JobClaim) -> Job | None:
        """The claim's job, while it runs or has a live transformed result; a claim never dies while its job runs."""
        earlier = await self._jobs.find(claim.job_id)
        is_over = claim.expires_at is not None and claim.expires_at <= self._now
        if earlier is None or (is_over and not is_running(earlier)):
            return None
        if claim.kind == "key" and earlier.source_sha256 != self._job.source_sha256:
            raise Problem("idempotency-key-reused")
        if is_running(earlier):
            return earlier
        is_transformed = earlier.outcome in {"transformed", "late"}
        return earlier if is_transformed and has_result(earlier, self._now) else None
