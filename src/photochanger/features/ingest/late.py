"""What goes on when a sender has had its answer: a call that outlives its window, and the photo it may still bring."""

import asyncio
from collections.abc import Callable
from typing import Any

from photochanger.adapters.db.session import DatabaseUnavailable
from photochanger.core.errors import Problem
from photochanger.features.ingest.finish import Finish
from photochanger.features.ingest.plan import LOCAL_RESERVE
from photochanger.features.ingest.schemas import Ending, Work
from photochanger.features.jobs.models import Attempt
from photochanger.features.media.service import MediaService

LATE_SECONDS = 300.0
"""How long a call may go on after the window closed."""
END_TRIES = 20
END_PAUSE_SECONDS = 1.0

Making = asyncio.Task[Ending]
"""Makes the photo of one job."""


class LatePhotos:
    """`watch` keeps a task until it has ended, and ending processes wait for it."""

    def __init__(self, *, finish: Finish, media: MediaService, watch: Callable[[asyncio.Task[Any]], None]) -> None:
        self._finish = finish
        self._media = media
        self._watch = watch
        self._making: set[Making] = set()

    def go_on(self, work: Work, making: Making | None, attempts: list[Attempt]) -> None:
        if making is not None:
            self._making.add(making)
            making.add_done_callback(self._making.discard)
            self._watch(asyncio.create_task(self._deliver(work, making, attempts), name=f"late {work.job.id}"))

    def give_up(self, making: Making | None) -> None:
        """Nobody will ask for it any more: what it has stored goes, too."""
        if making is not None:
            making.cancel()
            self.clear_behind(making)

    def clear_behind(self, making: Making) -> None:
        """Of one that was cancelled: not once more, which would cut its clean-up."""
        self._watch(asyncio.create_task(self._clear(making), name=f"given up: {making.get_name()}"))

    def hurry(self) -> None:
        """Cuts every call that is late; its job is told so. A photo that is there already is kept."""
        while self._making:
            self._making.pop().cancel()  # once: what it cleans up then is not cut

    async def _deliver(self, work: Work, making: Making, attempts: list[Attempt]) -> None:
        """The photo still enters the gallery, or it is known that none comes."""
        await asyncio.wait({making}, timeout=LATE_SECONDS + LOCAL_RESERVE)
        making.cancel()
        await asyncio.wait({making})
        ending = Ending(problem=Problem("provider-timeout")) if making.cancelled() else making.result()
        for _ in range(END_TRIES):
            try:
                await self._finish.end_late(work, ending, attempts)
            except DatabaseUnavailable:
                await asyncio.sleep(END_PAUSE_SECONDS)
            else:
                return

    async def _clear(self, making: Making) -> None:
        await asyncio.wait({making})
        if not making.cancelled():
            await self._media.discard(*(media.object_key for media in making.result().kept))
