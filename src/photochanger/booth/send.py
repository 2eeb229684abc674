"""Sends photos to a server, as a booth would, and keeps the answers."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from secrets import token_hex

from msgspec import Struct

from photochanger.booth.door import FIRST_PAUSE, LONGEST_PAUSE, Delivered, Door, Later, Refused, key_of
from photochanger.booth.files import write_whole
from photochanger.core.clock import Clock

_HEADINGS = ("FILE", "OUTCOME", "SECONDS", "RESULT")


class Row(Struct, frozen=True, kw_only=True):
    """What became of one file."""

    name: str
    outcome: str
    seconds: float
    result: str
    is_well: bool


async def send_files(
    files: Sequence[Path], door: Door, out: Path, *, clock: Clock, patience: float, again: bool
) -> AsyncIterator[Row]:
    """One after another. `patience`: seconds for which a file is tried again; `again`: not the earlier result."""
    for file in files:
        photo = await asyncio.to_thread(file.read_bytes)
        key = f"{key_of(photo)}-{token_hex(8)}" if again else key_of(photo)
        started = clock.monotonic()
        try:
            delivered = await _deliver(door, photo, key, clock, patience)
        except (Refused, Later) as reason:
            code, _, detail = str(reason).partition(": ")
            outcome, result, is_well = code, detail, False
        else:
            path = out / f"{file.stem}-{delivered.job_id[-8:]}{delivered.suffix}"  # the same job, the same photo
            write_whole(path, delivered.photo)
            outcome, result, is_well = delivered.outcome, f"{path}  {delivered.link}", True
        yield Row(name=file.name, outcome=outcome, seconds=clock.monotonic() - started, result=result, is_well=is_well)


async def _deliver(door: Door, photo: bytes, key: str, clock: Clock, patience: float) -> Delivered:
    ends, pause = clock.monotonic() + patience, FIRST_PAUSE
    while True:
        try:
            return await door.send(photo, key=key)
        except Later as later:
            wait = max(pause, later.wait_seconds)
            if clock.monotonic() + wait > ends:
                raise
        await asyncio.sleep(wait)
        pause = min(2 * pause, LONGEST_PAUSE)


def table(rows: Sequence[Row]) -> list[str]:
    """Names of files may hold what no terminal can show."""
    cells = [_HEADINGS, *((row.name, row.outcome, f"{row.seconds:.1f}", row.result) for row in rows)]
    names, outcomes = (max(len(line[column]) for line in cells) for column in (0, 1))
    return [
        f"{name:{names}}  {outcome:{outcomes}}  {seconds:>7}  {result}".rstrip().encode(errors="replace").decode()
        for name, outcome, seconds, result in cells
    ]
