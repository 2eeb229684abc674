"""Files that others look at while they are written: they appear whole or not at all, and replace none."""

import json
import os
from collections.abc import Collection, Mapping
from itertools import count
from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T")
_PART = ".photochanger-part"
_STEM_BYTES = 180
"""What is left of a name of 255 bytes, the most that disks take, for a number, the ending and being hidden."""


class NotesUnreadable(Exception):  # noqa: N818
    pass


def write_hidden(path: Path, data: bytes) -> None:
    """Whole and on the disk, under a name that no print spooler takes; `reveal` gives it its own."""
    with _hidden(path).open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def reveal(path: Path) -> None:
    _hidden(path).replace(path)


def write_whole(path: Path, data: bytes) -> None:
    write_hidden(path, data)
    reveal(path)


def settle(folder: Path, kept: Collection[str]) -> None:
    """After a restart: reveals the hidden files whose names were noted as kept, deletes the others."""
    for part in folder.glob(f".*{_PART}"):
        name = part.name[1:].removesuffix(_PART)
        if name in kept:
            part.replace(folder / name)
        else:
            part.unlink()


def read_notes(path: Path, kind: type[T]) -> dict[str, T]:
    """What a tool noted down for its next start; nothing at the first. Raises `NotesUnreadable`."""
    try:
        return msgspec.convert(json.loads(path.read_bytes()), dict[str, kind])  # type: ignore[valid-type]
    except FileNotFoundError:
        return {}
    except ValueError as error:  # what is no JSON, and JSON that says something else
        raise NotesUnreadable(f"{path} cannot be read ({error}). Without it, everything is new.") from None


def write_notes(path: Path, notes: Mapping[str, object]) -> None:
    """In ASCII: names of files may hold what no text can, such as a camera's Latin letters."""
    write_whole(path, json.dumps(msgspec.to_builtins(notes)).encode("ascii"))


def free_name(folder: Path, name: str) -> str:
    """`name`, or `name-2` and so on where there is such a file, even a hidden one."""
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 – as text
    if len(os.fsencode(stem)) > _STEM_BYTES:
        stem = os.fsencode(stem)[:_STEM_BYTES].decode(errors="ignore")
    names = (f"{stem}{suffix}" if number == 1 else f"{stem}-{number}{suffix}" for number in count(1))
    return next(each for each in names if not ((folder / each).exists() or _hidden(folder / each).exists()))


def _hidden(path: Path) -> Path:
    return path.with_name(f".{path.name}{_PART}")
