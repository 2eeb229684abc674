"""Looks again and again at a folder that cameras write to: on network shares no event tells of a new file."""

import os
from pathlib import Path
from typing import NamedTuple

from photochanger.core.clock import Clock

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif"})
_SETTLED_SECONDS = 1.0


class Found(NamedTuple):
    """A file as it was at one moment; written to again, it is another."""

    name: str
    size: int
    changed_ns: int

    @property
    def id(self) -> str:
        return f"{self.name}|{self.size}|{self.changed_ns}"


class HotFolder:
    def __init__(self, folder: Path, clock: Clock) -> None:
        self.path = folder
        self._clock = clock
        self._since: dict[Found, float] = {}
        self._given: set[Found] = set()
        self._before: frozenset[Found] | None = None

    def look(self) -> list[Found]:
        """Files that nobody has written to for a second and that were not given yet, oldest first."""
        now = self._clock.monotonic()
        with os.scandir(self.path) as entries:
            there = {found for entry in entries if (found := _photo(entry)) is not None}
        if self._before is None:
            self._before = frozenset(there)
        self._since = {found: self._since.get(found, now) for found in there}
        settled = [found for found, since in self._since.items() if now - since >= _SETTLED_SECONDS and found.size]
        fresh = sorted((found for found in settled if found not in self._given), key=lambda found: found.changed_ns)
        self._given.update(fresh)
        return fresh

    def is_old(self, found: Found) -> bool:
        """Whether it was there, just so, at the first look."""
        return self._before is not None and found in self._before


def _photo(entry: os.DirEntry[str]) -> Found | None:
    if entry.name.startswith((".", "~")) or os.path.splitext(entry.name)[1].lower() not in _SUFFIXES:  # noqa: PTH122
        return None
    try:
        stat = entry.stat()
        return Found(entry.name, stat.st_size, stat.st_mtime_ns) if entry.is_file() else None
    except FileNotFoundError:  # renamed or deleted just now
        return None
