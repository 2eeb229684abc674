"""A named pipe into a worker, so that a photo is never whole in the server's memory."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

from photochanger.core.ids import new_token


def remove_abandoned(folder: Path) -> None:
    """Pipes that a killed process left. Those that somebody holds, beside us, stay."""
    for path in folder.glob("*.fifo"):
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:  # nobody reads it
            path.unlink(missing_ok=True)


class Fifo:
    """Both ends are open from the start: neither side waits for the other, and nothing is lost when the writer is done
    before the reader comes.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{new_token()}.fifo"

    def __enter__(self) -> Self:
        os.mkfifo(self.path, 0o600)
        self._reading_end = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        self._writing_end = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        return self

    def __exit__(self, *_: object) -> None:
        self._end_writing()
        os.close(self._reading_end)
        self.path.unlink(missing_ok=True)

    async def feed(self, source: AsyncIterator[bytes]) -> None:
        """Writes all of `source` as fast as it is read, then ends the stream. Raises what `source` raises."""
        try:
            async for chunk in source:
                await self._write(memoryview(chunk))
        finally:
            self._end_writing()

    async def _write(self, rest: memoryview) -> None:
        while rest:
            try:
                rest = rest[os.write(self._writing_end, rest) :]
            except BlockingIOError:
                await self._writable()

    async def _writable(self) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_writer(self._writing_end, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_writer(self._writing_end)

    def _end_writing(self) -> None:
        if self._writing_end >= 0:
            os.close(self._writing_end)
            self._writing_end = -1
