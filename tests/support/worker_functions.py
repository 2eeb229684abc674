"""What tests have workers do. In a module of its own, because a worker imports it by name."""

import os
from pathlib import Path
from typing import NoReturn

import pyvips


def spin(report: str) -> NoReturn:
    """Says its process id to the named pipe `report`, then never ends."""
    Path(report).write_text(str(os.getpid()))
    while True:
        pass


def spin_instead(_: str, report: str, __: int) -> NoReturn:
    """In place of `workers.prepare`, whose second argument says where to report."""
    spin(report)


def take_memory(size: int) -> int:
    return len(bytearray(size))


def crash() -> NoReturn:
    os.abort()


def process_id() -> int:
    return os.getpid()


def fail_in_libvips() -> None:
    pyvips.Image.black(0, 0)


def refuse(reason: str) -> NoReturn:
    raise ValueError(reason)
