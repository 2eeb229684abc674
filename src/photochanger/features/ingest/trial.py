"""A photo through a slot as somebody would like to have it, before anything is saved: the lab's test run."""

import asyncio

import msgspec

from photochanger.core import limits
from photochanger.core.clock import Clock
from photochanger.core.documents import parse_json
from photochanger.core.drain import Drain
from photochanger.core.errors import Problem
from photochanger.features.audit.schemas import Actor
from photochanger.features.ingest.fields import read_fields
from photochanger.features.ingest.multipart import UploadReader
from photochanger.features.ingest.opening import Opening, upload_limit_bytes, window_seconds
from photochanger.features.ingest.run import JobRunner
from photochanger.features.ingest.schemas import Answer, Post, Source, Timings, Work
from photochanger.features.ingest.stream import refuse_too_large, store_source
from photochanger.features.ingest.window import Window
from photochanger.features.media.service import MediaService
from photochanger.features.settings.schemas import Settings
from photochanger.features.settings.service import SettingsService
from photochanger.features.slots.schemas import ConfiguredSlot
from photochanger.features.slots.service import SlotService

RESULT_HOURS = 1
_DRAFT = "slot"


class TrialService:
    def __init__(
        self,
        *,
        clock: Clock,
        settings: SettingsService,
        slots: SlotService,
        media: MediaService,
        opening: Opening,
        runner: JobRunner,
        drain: Drain,
    ) -> None:
        self._clock = clock
        self._settings = settings
        self._slots = slots
        self._media = media
        self._opening = opening
        self._runner = runner
        self._drain = drain

    async def run(self, post: Post, actor: Actor) -> Answer:
        """As `IngestService.ingest`, but for the draft in the text part `slot`, and seen by nobody else."""
        saved, settings = await self._slots.get(post.slot_id), await self._settings.current()
        window = self._window(post, saved, settings)
        async with self._drain.receiving(window.left()):
            draft, source = await self._receive(post, saved, settings, actor)
        slot, window = _for_a_test(draft), self._window(post, draft, settings)
        with self._drain.waiting(window.deadline):
            return await self._answer(slot, settings, source, window, actor)

    async def _answer(
        self, slot: ConfiguredSlot, settings: Settings, source: Source, window: Window, actor: Actor
    ) -> Answer:
        timings = Timings(receive=window.elapsed())
        job = self._opening.new_job(slot, settings, window.left())
        work = Work(job=job, slot=slot, settings=settings, source=source, window=window, timings=timings)
        await self._opening.open_test(work, actor)
        return await asyncio.shield(self._runner.start(work))

    def _window(self, post: Post, slot: ConfiguredSlot, settings: Settings) -> Window:
        return Window(self._clock, started=post.started, seconds=window_seconds(slot, settings))

    async def _receive(
        self, post: Post, saved: ConfiguredSlot, settings: Settings, actor: Actor
    ) -> tuple[ConfiguredSlot, Source]:
        """The draft, which may stand before the photo or behind it, and the photo, whole in the store."""
        reader = UploadReader(post.headers.get("content-type"), post.chunks, part_bytes=limits.TEXT_TOTAL_BYTES)
        await reader.read_fields()
        draft = await self._draft(saved, reader.fields, actor)
        limit_bytes = upload_limit_bytes(draft, settings)
        refuse_too_large(post.content_length, limit_bytes)
        media = await store_source(
            self._media, reader.file(), saved.slot_id, limit_bytes=limit_bytes, most=post.content_length
        )
        try:
            if _DRAFT in reader.late_fields:
                draft = await self._draft(saved, reader.late_fields, actor)
            names = [variable.name for variable in draft.config.variables]
            fields = read_fields(reader.fields | reader.late_fields, post.query, names)
        except Problem:
            await self._media.discard(media.object_key)
            raise
        return draft, Source(
            media=media,
            address=post.address,
            key=None,
            album=None,
            ref=None,
            style=fields.style,
            variables=fields.variables,
        )

    async def _draft(self, saved: ConfiguredSlot, texts: dict[str, str], actor: Actor) -> ConfiguredSlot:
        if _DRAFT not in texts:
            return saved
        return await self._slots.draft(saved.slot_id, parse_json(texts[_DRAFT].encode()), actor)


def _for_a_test(slot: ConfiguredSlot) -> ConfiguredSlot:
    """Its photo goes with the answer, its result soon after; what is late comes too late."""
    config = msgspec.structs.replace(
        slot.config, late_delivery=False, result_ttl_hours=RESULT_HOURS, source_ttl_hours=0
    )
    return msgspec.structs.replace(slot, config=config)
