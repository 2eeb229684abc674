"""`photochanger send`, `watch`, `pull` and `booth`."""

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click

from photochanger.booth.door import Door, Mistaken, visiting
from photochanger.booth.files import NotesUnreadable
from photochanger.booth.hot_folder import HotFolder
from photochanger.booth.options import (
    OK,
    PROBLEMS,
    every_option,
    fail,
    out_option,
    password_file_option,
    password_stdin_option,
    slot_option,
    slot_password,
    url_option,
)
from photochanger.booth.pull import Gallery, Pull
from photochanger.booth.send import Row, send_files, table
from photochanger.booth.simulator import Booth
from photochanger.booth.watch import Watch
from photochanger.core.clock import SystemClock

photo_files = click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def tools() -> None:
    """What booths need; `photochanger` has these among its commands."""


@tools.command()
@photo_files
@slot_option
@url_option
@out_option("the answers", default=".")
@password_stdin_option
@password_file_option
@click.option(
    "--patience", default=60.0, show_default=True, type=click.FloatRange(0, 3600), help="Seconds to try a photo again."
)
@click.option("--again", is_flag=True, help="Have photos made anew that were made already.")
def send(
    files: tuple[Path, ...],
    slot: str,
    url: str,
    out: Path,
    password_file: Path | None,
    patience: float,
    *,
    password_stdin: bool,
    again: bool,
) -> None:
    """Send photos to a slot and keep what comes back."""
    password = slot_password(slot, stdin=password_stdin, file=password_file)
    out.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []

    async def work() -> None:
        with click.progressbar(
            length=len(files), label="Sending", file=sys.stderr, hidden=not sys.stderr.isatty()
        ) as bar:
            async with visiting() as session:
                door = Door(session, url=url, slot=slot, password=password)
                async for row in send_files(files, door, out, clock=SystemClock(), patience=patience, again=again):
                    rows.append(row)
                    bar.update(1)

    try:
        _run(work())
    finally:
        if rows:
            click.echo("\n".join(table(rows)))
    sys.exit(OK if all(row.is_well for row in rows) else PROBLEMS)


@tools.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@slot_option
@url_option
@out_option("the answers, another than FOLDER")
@password_stdin_option
@password_file_option
@every_option
@click.option("--catch-up", is_flag=True, help="Send also what was in FOLDER before, after what is new.")
@click.option("--retry-failed", is_flag=True, help="Send once more what is on the list of failures.")
def watch(
    folder: Path,
    slot: str,
    url: str,
    out: Path,
    password_file: Path | None,
    every: float,
    *,
    password_stdin: bool,
    catch_up: bool,
    retry_failed: bool,
) -> None:
    """Send each photo that appears in FOLDER, once, until it is stopped; goes on where it was after a restart."""
    if out.resolve() == folder.resolve():
        raise click.UsageError("--out is FOLDER itself: answers would be sent again.")
    password = slot_password(slot, stdin=password_stdin, file=password_file)
    out.mkdir(parents=True, exist_ok=True)

    async def work() -> None:
        async with visiting() as session:
            door = Door(session, url=url, slot=slot, password=password)
            hot_folder = HotFolder(folder, SystemClock())
            watching = Watch(folder=hot_folder, out=out, door=door, every=every, catch_up=catch_up, echo=click.echo)
            await watching.run(retry_failed=retry_failed)

    _run(work())


@tools.command()
@slot_option
@url_option
@out_option("the photos")
@every_option
@click.option("--key", help="What follows `k=` in the gallery's address, where its access is `link`.")
@click.option("--pin", help="The gallery's PIN, where its access is `pin`.")
@click.option("--only-new", is_flag=True, help="At the first start, leave what is in the gallery already.")
def pull(slot: str, url: str, out: Path, every: float, key: str | None, pin: str | None, *, only_new: bool) -> None:
    """Bring each photo of a slot's gallery into a folder, once, until it is stopped; for printers and screens."""
    out.mkdir(parents=True, exist_ok=True)

    async def work() -> None:
        async with visiting() as session:
            gallery = Gallery(session, url=url, slot=slot, key=key, pin=pin)
            pulling = Pull(gallery, out, clock=SystemClock(), every=every, only_new=only_new, echo=click.echo)
            click.echo(f"Photos of {slot} go to {out}.")
            await pulling.run()

    _run(work())


@tools.command()
@photo_files
@slot_option
@url_option
@out_option("what it prints", default=".")
@password_stdin_option
@password_file_option
@click.option("--session", default=1, show_default=True, type=click.IntRange(0), help="Number of the session.")
@click.option(
    "--every", default=2.0, show_default=True, type=click.FloatRange(0, 60), help="Seconds from one shot to the next."
)
@click.option(
    "--timeout", default=60.0, show_default=True, type=click.FloatRange(0.1, 600), help="When it prints the original."
)
@click.option("--text", "texts", multiple=True, metavar="NAME=VALUE", help="A further text part, such as survey1=Anna.")
def booth(
    files: tuple[Path, ...],
    slot: str,
    url: str,
    out: Path,
    password_file: Path | None,
    session: int,
    every: float,
    timeout: float,
    texts: tuple[str, ...],
    *,
    password_stdin: bool,
) -> None:
    """Be a booth (DSLR Remote Pro): each file is a shot of one session, and what it would print is kept."""
    if any("=" not in text for text in texts):
        raise click.UsageError("--text wants NAME=VALUE.")
    password = slot_password(slot, stdin=password_stdin, file=password_file)
    out.mkdir(parents=True, exist_ok=True)
    prints_photos = True

    async def work() -> None:
        nonlocal prints_photos
        simulated = Booth(
            url=url,
            slot=slot,
            password=password,
            texts=dict(text.partition("=")[::2] for text in texts),
            timeout=timeout,
            paper=out,
            clock=SystemClock(),
        )
        async for sheet in simulated.shoot(files, session=session, every=every):
            prints_photos = prints_photos and sheet.is_photo
            click.echo(f"{sheet.seconds:5.1f} s  {sheet.file}  {sheet.says}")

    _run(work())
    sys.exit(OK if prints_photos else PROBLEMS)


def _run(work: Coroutine[Any, Any, None]) -> None:
    try:
        asyncio.run(work)
    except (Mistaken, NotesUnreadable) as reason:
        fail(str(reason))
    except OSError as error:
        fail(str(error))
