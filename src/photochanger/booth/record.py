"""What a hot folder remembers beyond a reboot: each photo, and what became of it."""

from pathlib import Path
from typing import Literal

from msgspec import Struct

from photochanger.booth.files import read_notes, write_notes, write_whole
from photochanger.booth.hot_folder import Found

_FILE = ".photochanger-watch.json"
FAILURES = "photochanger-failed.txt"


class Entry(Struct):
    found: Found
    state: Literal["pending", "done", "failed", "twin"] = "pending"
    sha256: str = ""
    result: str = ""
    """The name of the answer's file."""
    reason: str = ""


class Record:
    """Its file is replaced as a whole by `save`, so that a power cut leaves the old one or the new one."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._entries = read_notes(out / _FILE, Entry)

    def find(self, found: Found) -> Entry | None:
        return self._entries.get(found.id)

    def list_in(self, state: str) -> list[Entry]:
        return [entry for entry in self._entries.values() if entry.state == state]

    def twin(self, entry: Entry) -> Entry | None:
        """Another file with the same bytes that is on its way, or was."""
        others = (each for each in self._entries.values() if each.sha256 == entry.sha256 and each is not entry)
        return next((each for each in others if each.state in ("pending", "done")), None)

    def add(self, found: Found) -> Entry:
        entry = self._entries[found.id] = Entry(found)
        return entry

    def drop(self, entry: Entry) -> None:
        del self._entries[entry.found.id]

    def save(self) -> None:
        write_notes(self._out / _FILE, self._entries)

    def tell_failures(self) -> None:
        """The list for people; no list where nothing failed."""
        lines = [f"{entry.found.name}\t{entry.reason}\n" for entry in self.list_in("failed")]
        if lines:
            write_whole(self._out / FAILURES, "".join(lines).encode(errors="replace"))
        else:
            (self._out / FAILURES).unlink(missing_ok=True)
