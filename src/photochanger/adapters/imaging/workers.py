"""What the server may call in a worker process. libvips and the decoders are imported there, never in the server."""

import fcntl
import io
import multiprocessing
import os
import resource
import signal
import threading
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from msgspec.structs import replace

from photochanger.adapters.imaging import alarm
from photochanger.adapters.imaging.darkroom_settings import Operation, Recipe
from photochanger.adapters.imaging.results import File, Prepared, Rendered, Unreadable
from photochanger.adapters.memory import give_back_early
from photochanger.core import limits

P = ParamSpec("P")
T = TypeVar("T")

MEMORY_BYTES = 2 * limits.GIB
"""Address space. Decodes 100 megapixels of any accepted format; half of it does not."""

_THREADS = min(4, os.cpu_count() or 1)
"""A booth sends one photo at a time and waits; more threads would need more address space."""
_READ_BYTES = 64 * limits.KIB


def start() -> None:
    """Runs once in every new worker."""
    # A supervisor may send SIGTERM to every process at once, but jobs finish first; the pool ends workers by SIGKILL.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    give_back_early()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _load()


def limited(seconds: float, function: Callable[..., T], *args: Any) -> T:
    """Calls `function`; the process ends when it takes longer."""
    import pyvips  # noqa: PLC0415 – libvips stays out of the server, and so do its errors

    try:
        with alarm.limited(seconds):
            return function(*args)
    except pyvips.Error as error:
        raise Unreadable("libvips could not use it") from error


def prepare(fifo: str, media_type: str, max_pixels: int) -> Prepared:
    from photochanger.adapters.imaging import recipes  # noqa: PLC0415

    with io.BufferedReader(_Fifo(fifo), _READ_BYTES) as stream:
        return recipes.prepare(stream, media_type, max_pixels)


def render(answer: bytes, shape: tuple[int, int] | None, max_pixels: int, as_png: bool) -> Rendered:  # noqa: FBT001
    from photochanger.adapters.imaging import recipes  # noqa: PLC0415

    return recipes.render(answer, shape, max_pixels, as_png=as_png)


def render_clean(answer: bytes) -> Rendered:
    """Its `full` comes back empty: whoever sent the bytes has them."""
    from photochanger.adapters.imaging import recipes  # noqa: PLC0415

    rendered = recipes.render_clean(answer)
    return replace(rendered, full=replace(rendered.full, data=b""))


def develop(photo: bytes, settings: Operation | Recipe, templates: Mapping[str, bytes]) -> File:
    from photochanger.adapters.imaging import darkroom_operations  # noqa: PLC0415

    return darkroom_operations.develop(photo, settings, templates)


def _load() -> None:
    import pillow_heif  # noqa: PLC0415
    import pyvips  # noqa: PLC0415

    from photochanger.adapters.imaging import darkroom_operations, photos  # noqa: F401, PLC0415

    photos.allow_only_accepted_formats()
    pyvips.cache_set_max(0)
    pyvips.concurrency_set(_THREADS)
    pillow_heif.options.DECODE_THREADS = _THREADS


def _end_with_the_server() -> None:
    """A busy worker would outlive a server that was killed."""
    server = multiprocessing.parent_process()
    if server is not None:
        server.join()
    os._exit(1)


class _Fifo(io.RawIOBase):
    """The reading end. Waiting for the sender does not count as the worker's time."""

    def __init__(self, path: str) -> None:
        # Without O_NONBLOCK opening would wait for a writer, which may have written everything and left.
        self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        fcntl.fcntl(self._fd, fcntl.F_SETFL, 0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with alarm.paused():
            return os.readv(self._fd, [buffer])

    def close(self) -> None:
        if not self.closed:
            os.close(self._fd)
        super().close()
