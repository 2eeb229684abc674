"""One photo's way, from the request to the answer. No HTTP, no SQL."""

import asyncio
from math import ceil

from photochanger.adapters.coordination.notices import Notices
from photochanger.adapters.coordination.rate import Rates
from photochanger.adapters.coordination.tally import Tally
from photochanger.adapters.db.session import DatabaseUnavailable
from photochanger.core.clock import Clock
from photochanger.core.drain import Drain
from photochanger.core.errors import Problem
from photochanger.features.ingest.fields import read_fields, read_idempotency_key, read_password
from photochanger.features.ingest.multipart import UploadReader
from photochanger.features.ingest.opening import Opening, upload_limit_bytes, window_seconds
from photochanger.features.ingest.run import JobRunner
from photochanger.features.ingest.schemas import Answer, Ending, Post, Source, Timings, Work
from photochanger.features.ingest.stream import refuse_too_large, store_source
from photochanger.features.ingest.window import Window
from photochanger.features.jobs.models import Job
from photochanger.features.jobs.service import JobService, has_result, is_running
from photochanger.features.media.service import MediaService
from photochanger.features.settings.schemas import Settings
from photochanger.features.settings.service import SettingsService
from photochanger.features.slots.schemas import ConfiguredSlot
from photochanger.features.slots.service import SlotService

_POLL_SECONDS = 1.0
_REFUSED_BYTES = frozenset({"upload-too-large", "unsupported-image"})


class IngestService:
    def __init__(
        self,
        *,
        clock: Clock,
        settings: SettingsService,
        slots: SlotService,
        jobs: JobService,
        media: MediaService,
        opening: Opening,
        runner: JobRunner,
        rates: Rates,
        notices: Notices,
        receiving: Tally,
        drain: Drain,
    ) -> None:
        self._clock = clock
        self._settings = settings
        self._slots = slots
        self._jobs = jobs
        self._media = media
        self._opening = opening
        self._runner = runner
        self._rates = rates
        self._notices = notices
        self._receiving = receiving
        self._drain = drain

    async def ingest(self, post: Post) -> Answer:
        """Receives a photo, opens its job or joins the one it has, waits for the answer. Raises the job's problem."""
        slot = await self._slots.get(post.slot_id)
        if not slot.enabled:
            raise Problem("slot-disabled")
        settings = await self._settings.current()
        window = Window(self._clock, started=post.started, seconds=window_seconds(slot, settings))
        with self._drain.waiting(window.deadline):
            return await self._answer(post, slot, settings, window)

    async def _answer(self, post: Post, slot: ConfiguredSlot, settings: Settings, window: Window) -> Answer:
        async with self._drain.receiving(window.left()):
            with self._receiving.counting(slot.slot_id):
                source = await self._receive(post, slot, settings)
        timings = Timings(receive=window.elapsed())
        job = self._opening.new_job(slot, settings, window.seconds - window.elapsed())
        work = Work(job=job, slot=slot, settings=settings, source=source, window=window, timings=timings)
        try:
            earlier = await self._opening.open_or_join(work)
        except DatabaseUnavailable as unavailable:
            self._runner.end_later(work, Ending(problem=unavailable), [])  # its commit may still arrive
            raise
        if earlier is not None:
            await self._media.discard(source.media.object_key)
            return await self._join(earlier, slot, window, timings)
        return await asyncio.shield(self._runner.start(work))  # the job goes on when the sender leaves

    async def _receive(self, post: Post, slot: ConfiguredSlot, settings: Settings) -> Source:
        """The photo, whole in the store. Not one byte of it gets there before the sender is known."""
        key = read_idempotency_key(post.idempotency_keys)
        limit_bytes = upload_limit_bytes(slot, settings)
        reader = await self._admit(post, slot, settings, limit_bytes)
        names = [variable.name for variable in slot.config.variables]
        fields = read_fields(reader.fields, post.query, names)
        await self._count(settings)
        try:
            media = await store_source(
                self._media, reader.file(), slot.slot_id, limit_bytes=limit_bytes, most=post.content_length
            )
        except Problem as problem:
            if problem.code in _REFUSED_BYTES:
                await self._opening.record_refused(problem, post, slot, settings)
            raise
        try:
            if reader.late_fields:
                fields = read_fields(reader.fields | reader.late_fields, post.query, names)
        except Problem:
            await self._media.discard(media.object_key)
            raise
        return Source(
            media=media,
            address=post.address,
            key=key,
            album=fields.album,
            ref=fields.ref,
            style=fields.style,
            sent_at=fields.sent_at,
            variables=fields.variables,
        )

    async def _admit(self, post: Post, slot: ConfiguredSlot, settings: Settings, limit_bytes: int) -> UploadReader:
        """Reads up to the file. Who says the password in the head is judged, like the length, before a byte of it."""
        known = read_password(post.headers, post.query)
        if known is not None:
            await self._slots.authorise(slot, known, post.address)
        try:
            refuse_too_large(post.content_length, limit_bytes)
        except Problem as problem:
            if known is not None:
                await self._opening.record_refused(problem, post, slot, settings)
            raise
        reader = UploadReader(post.headers.get("content-type"), post.chunks)
        await reader.read_fields()
        if known is None:
            await self._slots.authorise(slot, reader.fields.get("password"), post.address)
        return reader

    async def _count(self, settings: Settings) -> None:
        """The global rate: a burst, refilled at so many a second."""
        seconds = max(1, ceil(settings.ingest_burst / settings.ingest_rps))
        wait = await self._rates.hit("ingest", settings.ingest_burst, seconds)
        if wait is not None:
            raise Problem("rate-limited", retry_after=wait)

    async def _join(self, job: Job, slot: ConfiguredSlot, window: Window, timings: Timings) -> Answer:
        """Another request's job: its result at once or when it is ready, its failure as our own."""
        with self._notices.listen(f"job:{job.id}") as heard:
            while is_running(job) and not has_result(job, self._clock.now()):
                if window.left() == 0:
                    raise Problem("provider-timeout", headers={"X-Job-Id": str(job.id)})
                heard.clear()
                job = await self._jobs.get(job.id, past=True)
                if not is_running(job):
                    break
                try:
                    async with window.limit(_POLL_SECONDS):
                        await heard.wait()
                except TimeoutError:
                    continue
        timings.wait = window.elapsed() - timings.receive
        if not has_result(job, self._clock.now()):
            code = job.failure_code or ("result-removed" if job.removed_at else "result-expired")
            raise Problem(code, job.failure_detail, headers={"X-Job-Id": str(job.id)})
        attempts = await self._jobs.list_attempts(job.id)
        return Answer(job=job, slot=slot, is_duplicate=True, full=None, attempts=attempts, timings=timings)
