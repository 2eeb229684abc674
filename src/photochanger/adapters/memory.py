"""Keeps glibc from keeping what was freed: photos come as a few large blocks, and none of them comes again.

Without this a server that took 32 large photos at once peaked a quarter higher, and each imaging worker by half
(docs/performance.md). Other C libraries are left as they are.
"""

import ctypes
import platform

from photochanger.core.limits import KIB

_MMAP_THRESHOLD, _ARENA_MAX = -3, -8
"""Of mallopt(3)."""


def give_back_early() -> None:
    """Large blocks go back to the system when they are freed, and threads share two heaps. For the whole process.

    What starting up left goes back now.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_MMAP_THRESHOLD, 128 * KIB)
        libc.mallopt(_ARENA_MAX, 2)
        libc.malloc_trim(0)
