"""`photochanger …` in a process of its own, forked from one that has imported it: importing takes most of the time."""

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_FORKING = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload(["photochanger.cli"])


class Ended(NamedTuple):
    code: int
    out: str
    err: str


def run_command(
    arguments: Sequence[str], *, folder: Path, environ: Mapping[str, str], stdin: bytes, seconds: float
) -> Ended:
    """What the installed command does. TimeoutError, and the process killed, where it takes longer."""
    with tempfile.TemporaryDirectory(prefix="command-") as files:
        streams = [Path(files) / name for name in ("stdin", "stdout", "stderr")]
        streams[0].write_bytes(stdin)
        process = _FORKING.Process(target=_main, args=(list(arguments), str(folder), dict(environ), streams))
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            raise TimeoutError(f"photochanger {' '.join(arguments)} goes on after {seconds} s")
        return Ended(process.exitcode, streams[1].read_text(), streams[2].read_text())


def _main(arguments: list[str], folder: str, environ: dict[str, str], streams: list[Path]) -> None:
    for number, (path, flags) in enumerate(zip(streams, (os.O_RDONLY, *[os.O_WRONLY | os.O_CREAT] * 2), strict=True)):
        os.dup2(os.open(path, flags), number)
    sys.stdin = os.fdopen(0)
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    from photochanger.cli import main  # noqa: PLC0415 – imported when it was forked

    main(arguments, "photochanger")
