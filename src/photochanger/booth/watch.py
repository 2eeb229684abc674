"""The hot folder: each photo that appears in it is sent once, and its answer appears in another folder."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from photochanger.booth.door import FIRST_PAUSE, LONGEST_PAUSE, Delivered, Door, Later, Refused, key_of
from photochanger.booth.files import free_name, reveal, settle, write_hidden
from photochanger.booth.hot_folder import Found, HotFolder
from photochanger.booth.line import Line
from photochanger.booth.record import FAILURES, Entry, Record

_LANES = 3
"""Photos on their way at once, fewer than a slot takes by default (4). The first lane is for live ones alone."""


class _Gone(Refused):
    """The file itself, before it was sent."""


class Watch:
    def __init__(
        self, *, folder: HotFolder, out: Path, door: Door, every: float, catch_up: bool, echo: Callable[[str], object]
    ) -> None:
        self._folder = folder
        self._out = out
        self._door = door
        self._every = every
        self._catch_up = catch_up
        self._say = echo
        self._record = Record(out)
        self._line = Line()
        self._owed: set[str] = set()
        """Files that had been noticed and were not sent when it was stopped last."""

    def _echo(self, text: str) -> None:
        self._say(text.encode(errors="replace").decode())  # names of files may hold what no terminal can show

    async def run(self, *, retry_failed: bool) -> NoReturn:
        """Until it is stopped. Raises `Mistaken`."""
        settle(self._out, {entry.result for entry in self._record.list_in("done")})
        for entry in self._record.list_in("failed") if retry_failed else []:
            entry.state = "pending"
        self._record.save()
        self._record.tell_failures()
        for entry in self._record.list_in("pending"):
            self._owed.add(entry.found.name)
            await self._line.put(entry, is_live=False)
        await asyncio.gather(self._look(), *(self._lane(only_live=lane == 0) for lane in range(_LANES)))
        raise AssertionError  # none of them ends

    async def _look(self) -> None:
        said = ""
        while True:
            appeared: list[Found] = []
            try:
                appeared = await asyncio.to_thread(self._folder.look)
                says = f"{self._folder.path} is watched, answers go to {self._out}"
            except OSError as error:
                says = f"{self._folder.path} cannot be read: {error.strerror}"
            if says != said:
                self._echo(says)
            said = says
            await self._notice([found for found in appeared if self._record.find(found) is None])
            await asyncio.sleep(self._every)

    async def _notice(self, new: list[Found]) -> None:
        left = set() if self._catch_up else {found for found in new if self._is_left(found)}
        if left:
            self._echo(f"{len(left)} photos were there before the start and are left; --catch-up sends them.")
        entries = [self._record.add(found) for found in new if found not in left]
        if entries:
            self._record.save()
        for entry in entries:
            await self._line.put(entry, is_live=not self._folder.is_old(entry.found))

    def _is_left(self, found: Found) -> bool:
        """Not one whose writer went on meanwhile."""
        return self._folder.is_old(found) and found.name not in self._owed

    async def _lane(self, *, only_live: bool) -> None:
        pause = FIRST_PAUSE
        while True:
            entry = await self._line.take(only_live=only_live)
            try:
                await self._send(entry)
                pause = FIRST_PAUSE
            except Refused as refused:
                self._fail(entry, str(refused))
                if isinstance(refused, _Gone):
                    await self._send_twins(entry)
            except Later as later:
                if entry.reason != str(later):
                    entry.reason = str(later)
                    self._echo(f"{entry.found.name}: {later}; it is tried again")
                await asyncio.sleep(max(pause, later.wait_seconds))
                pause = min(2 * pause, LONGEST_PAUSE)
                await self._line.put(entry, is_live=not self._folder.is_old(entry.found))

    async def _send(self, entry: Entry) -> None:
        photo = await asyncio.to_thread(self._read, entry.found)
        if len(photo) != entry.found.size:  # written to again: it will be found again, as another
            self._record.drop(entry)
            self._record.save()
            return
        entry.sha256 = key_of(photo)
        twin = self._record.twin(entry)
        if twin is not None:
            entry.state, entry.reason = "twin", f"the same photo as {twin.found.name}"
            self._record.save()
            self._echo(f"{entry.found.name}: {entry.reason}")
            return
        self._keep(entry, await self._door.send(photo, key=entry.sha256))

    def _read(self, found: Found) -> bytes:
        try:
            return (self._folder.path / found.name).read_bytes()
        except FileNotFoundError:
            raise _Gone("the file is gone") from None
        except OSError as error:  # a share that is away, a writer that has it open on Windows
            raise Later(f"cannot be read: {error.strerror}") from None

    async def _send_twins(self, gone: Entry) -> None:
        """A file that was renamed while it waited: its new name was taken for a copy."""
        for twin in self._record.list_in("twin"):
            if twin.sha256 == gone.sha256:
                twin.state, twin.reason = "pending", ""
                await self._line.put(twin, is_live=not self._folder.is_old(twin.found))
        self._record.save()

    def _keep(self, entry: Entry, delivered: Delivered) -> None:
        """Noted between hiding and revealing: a cut at any point leaves neither no answer nor two."""
        name = Path(entry.found.name)
        same = (".jpg", ".jpeg") if delivered.suffix == ".jpg" else (delivered.suffix,)
        own = name.name if name.suffix.lower() in same else f"{name.stem}{delivered.suffix}"
        entry.result = free_name(self._out, own)
        write_hidden(self._out / entry.result, delivered.photo)
        entry.state, entry.reason = "done", ""
        for failed in self._record.list_in("failed"):
            if failed.found.name == entry.found.name:  # as it was before it was whole
                self._record.drop(failed)
        self._record.save()
        reveal(self._out / entry.result)
        self._record.tell_failures()
        self._echo(f"{entry.found.name}: {delivered.outcome}, kept as {entry.result}  {delivered.link}")

    def _fail(self, entry: Entry, reason: str) -> None:
        entry.state, entry.reason = "failed", reason
        self._record.save()
        self._record.tell_failures()
        self._echo(f"{entry.found.name}: {reason} (listed in {FAILURES})")
