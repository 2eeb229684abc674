"""A photo once more, as its slot is now: an administrator asks, nobody waits for it."""

from uuid import UUID

import msgspec

from photochanger.core.clock import Clock
from photochanger.core.drain import Drain
from photochanger.core.errors import Problem
from photochanger.features.audit.schemas import Actor
from photochanger.features.ingest.opening import Opening, window_seconds
from photochanger.features.ingest.run import JobRunner
from photochanger.features.ingest.schemas import Source, Timings, Work, may_be_late
from photochanger.features.ingest.window import Window
from photochanger.features.jobs.models import Job
from photochanger.features.jobs.service import JobService
from photochanger.features.media.models import Media
from photochanger.features.media.service import MediaService
from photochanger.features.settings.service import SettingsService
from photochanger.features.slots.schemas import ConfiguredSlot
from photochanger.features.slots.service import SlotService


class RerunService:
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
        drain: Drain,
    ) -> None:
        self._clock = clock
        self._settings = settings
        self._slots = slots
        self._jobs = jobs
        self._media = media
        self._opening = opening
        self._runner = runner
        self._drain = drain

    async def rerun(self, job_id: UUID, actor: Actor) -> Job:
        """A job of its own, just begun. What the guest said beside the photo was not kept: defaults fill its prompt."""
        self._drain.refuse_new()
        earlier = await self._jobs.get(job_id, past=True)
        if earlier.is_test:
            raise Problem("job-not-found")
        media = await self._find_source(earlier)
        slot, settings = _unwaited(await self._slots.get(earlier.slot_id)), await self._settings.current()
        window = Window(self._clock, started=self._clock.monotonic(), seconds=window_seconds(slot, settings))
        job = self._opening.new_job(slot, settings, window.seconds)
        job.rerun_of = earlier.id
        source = Source(
            media=media,
            address=actor.address,
            key=None,
            album=earlier.album,
            ref=earlier.ref,
            style=earlier.style,
        )
        work = Work(job=job, slot=slot, settings=settings, source=source, window=window, timings=Timings())
        await self._opening.open_rerun(work, actor)
        self._runner.start(work)
        return job

    async def _find_source(self, job: Job) -> Media:
        """Of the first job; raises `source-gone`."""
        while job.rerun_of is not None:
            job = await self._jobs.get(job.rerun_of, past=True)
        source = await self._media.find_source(job.id)
        if source is None:
            raise Problem("source-gone")
        return source


def _unwaited(slot: ConfiguredSlot) -> ConfiguredSlot:
    """Nobody is there to be handed the original instead."""
    config = msgspec.structs.replace(slot.config, failure_policy="error", late_delivery=may_be_late(slot.config))
    return msgspec.structs.replace(slot, config=config)
