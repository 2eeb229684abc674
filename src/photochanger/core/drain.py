"""A process on its way out: it takes no new photo, breaks uploads off, and waits for photos that are being made."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from photochanger.core.clock import Clock
from photochanger.core.errors import Problem


class Drain:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._uploads: set[asyncio.Timeout] = set()
        self._deadlines: list[float] = []
        self._latest = 0.0
        self.has_begun = False

    def begin(self) -> None:
        self.has_begun = True
        self._latest = max(self._deadlines, default=self._clock.monotonic())
        for upload in self._uploads:
            if not upload.expired():
                upload.reschedule(0)

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits for a photo."""
        return not self._deadlines

    @property
    def seconds_left(self) -> float:
        """Until the last window closes of those that were open when it began."""
        return max(0.0, self._latest - self._clock.monotonic())

    def refuse_new(self) -> None:
        if self.has_begun:
            raise Problem("draining")

    @contextmanager
    def waiting(self, deadline: float) -> Iterator[None]:
        """Around everything that a sender waits for; `deadline` is the monotonic time when it must be over."""
        self._deadlines.append(deadline)
        try:
            yield
        finally:
            self._deadlines.remove(deadline)

    @asynccontextmanager
    async def receiving(self, seconds: float) -> AsyncIterator[None]:
        """Around an upload: raises `draining` at once when the process has to end, `upload-timeout` after `seconds`."""
        self.refuse_new()
        try:
            async with asyncio.timeout(seconds) as upload:
                self._uploads.add(upload)
                try:
                    yield
                finally:
                    self._uploads.discard(upload)
        except TimeoutError:
            raise Problem("draining" if self.has_begun else "upload-timeout") from None
