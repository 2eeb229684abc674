"""Pictures, for the rest of the product: asynchronous, and safe against whatever is in them.

Everything that decodes runs in a pool of worker processes that end when they take too long or too much memory.
Must never decode in the server's process, and never hold a source photo whole in it.
"""

import asyncio
import multiprocessing
import signal
from collections.abc import AsyncIterator, Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, TypeVar

from msgspec.structs import replace
from pebble import ProcessExpired, ProcessPool
from pebble.common.types import CONSTS

from photochanger.adapters.imaging import workers
from photochanger.adapters.imaging.fifo import Fifo, remove_abandoned
from photochanger.adapters.imaging.results import (
    File,
    Prepared,
    Rendered,
    TooManyPixels,
    Unreadable,
    WorkerStopped,
)
from photochanger.adapters.providers.driver import BadAnswer
from photochanger.core.errors import Problem

__all__ = ["File", "Imaging", "Prepared", "Rendered"]

T = TypeVar("T")


class Imaging:
    """`scratch` is a folder of our own for named pipes; `seconds` is what a worker may take, waiting for its source
    not counted.
    """

    def __init__(self, *, workers: int, scratch: Path, seconds: float = 5.0) -> None:
        self._workers = workers
        self._scratch = scratch
        self._seconds = seconds
        self._free = asyncio.Semaphore(workers)
        self._pool = self._new_pool()
        self._calls: set[asyncio.Future[Any]] = set()
        self._is_closed = False

    async def start(self) -> None:
        """Has the workers ready before the first photo comes."""
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        remove_abandoned(self._scratch)
        await self.run(abs, 0, seconds=60)

    async def close(self) -> None:
        """Ends the workers, whatever they do, and cancels who waits for them."""
        self._is_closed = True
        for call in self._calls:
            call.cancel()
        await asyncio.to_thread(_end, self._pool)

    async def prepare(self, source: AsyncIterator[bytes], media_type: str, *, max_pixels: int) -> Prepared:
        """The photo upright, in sRGB, without metadata, with at most `max_pixels`.

        Raises `image-unreadable`, `image-too-many-pixels`, or what `source` raises.
        """
        try:
            async with self._free:
                return await self._fed(source, workers.prepare, media_type, max_pixels)
        except TooManyPixels:
            raise Problem("image-too-many-pixels") from None
        except (Unreadable, WorkerStopped) as reason:
            raise Problem("image-unreadable") from reason

    async def render(
        self,
        image: bytes,
        *,
        width: int,
        height: int,
        has_alpha: bool,
        keep_shape: bool,
        max_pixels: int,
        is_clean: bool,
    ) -> Rendered:
        """A provider's answer as the result and its renditions; BadAnswer where it is no good image.

        `width`, `height` and `has_alpha` are the upload's. `is_clean` says that the darkroom made it.
        """
        shape = (width, height) if keep_shape else None
        try:
            if is_clean:
                rendered = await self.run(workers.render_clean, image)
                return replace(rendered, full=replace(rendered.full, data=image))
            return await self.run(workers.render, image, shape, max_pixels, has_alpha)
        except TooManyPixels as reason:
            raise BadAnswer(f"the answer has too many pixels: {reason}") from None
        except Unreadable as reason:
            raise BadAnswer(f"the answer could not be read: {reason}") from reason
        except WorkerStopped as reason:
            raise BadAnswer(f"decoding the answer {reason}") from reason

    async def run(self, function: Callable[..., T], *args: Any, seconds: float | None = None) -> T:
        """Calls a function of a module, with picklable arguments, in a worker. Raises WorkerStopped, or what it raises.

        Cancelling ends the worker.
        """
        async with self._free:
            return await self._call(function, *args, seconds=seconds)

    async def _fed(self, source: AsyncIterator[bytes], function: Callable[..., T], *args: Any) -> T:
        """Calls `function` with a pipe that `source` flows into. It may stop reading before the end."""
        with Fifo(self._scratch) as fifo:
            feeding = asyncio.create_task(fifo.feed(source))
            work = asyncio.create_task(self._call(function, str(fifo.path), *args))
            try:
                await asyncio.wait({feeding, work}, return_when=asyncio.FIRST_COMPLETED)
                if feeding.done():
                    feeding.result()
                return await work
            finally:
                feeding.cancel()
                work.cancel()
                await asyncio.gather(feeding, work, return_exceptions=True)

    async def _call(self, function: Callable[..., T], *args: Any, seconds: float | None = None) -> T:
        call = (self._seconds if seconds is None else seconds, function, *args)
        try:
            try:
                return await self._answer(*call)
            except BrokenProcessPool:  # an idle worker was killed from outside: nobody had begun this call
                return await self._answer(*call)
        except ProcessExpired as end:
            raise WorkerStopped(was_too_slow=end.exitcode == -signal.SIGALRM) from end
        except (BrokenProcessPool, MemoryError) as end:
            raise WorkerStopped(was_too_slow=False) from end

    async def _answer(self, seconds: float, function: Callable[..., T], *args: Any) -> T:
        if self._is_closed:
            raise asyncio.CancelledError
        if not self._pool.active:  # a broken pool stays broken
            broken, self._pool = self._pool, self._new_pool()
            await asyncio.to_thread(_end, broken)
        answer = asyncio.wrap_future(self._pool.schedule(workers.limited, args=(seconds, function, *args)))
        self._calls.add(answer)
        try:
            result: T = await answer
        finally:
            self._calls.discard(answer)
        return result

    def _new_pool(self) -> ProcessPool:
        CONSTS.term_timeout = 0.0  # workers ignore SIGTERM: SIGKILL at once
        # A forked worker would keep the server's file locks.
        context = multiprocessing.get_context("spawn")
        return ProcessPool(max_workers=self._workers, initializer=workers.start, context=context)


def _end(pool: ProcessPool) -> None:
    pool.stop()  # type: ignore[no-untyped-call]
    pool.join()
