"""A sender that costs little itself, and what a server takes meanwhile."""

import asyncio
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from random import Random
from typing import NamedTuple

import psutil

from photochanger.core.limits import MIB

BOUNDARY = "benchmark"
_SEGMENT = 65_533
_ANSWER_BYTES = 256 * 1024
_PATIENCE = 150


class Form:
    """Photos of one size as forms: a number in each makes it another photo, all the rest is one memory."""

    def __init__(self, jpeg: bytes, photo_bytes: int = 0) -> None:
        """Comments in front make up for what `jpeg` has less than `photo_bytes`."""
        self._start = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n'
            "Content-Type: image/jpeg\r\n\r\n"
        ).encode() + jpeg[:2]
        number = _comment(bytes(8))
        noise = _comment(Random(0).randbytes(_SEGMENT))
        count = max(0, photo_bytes - len(jpeg) - len(number)) // len(noise)
        self._rest = noise * count + jpeg[2:] + f"\r\n--{BOUNDARY}--\r\n".encode()
        self.photo_bytes = 2 + len(number) + len(noise) * count + len(jpeg) - 2
        self.size_bytes = len(self._start) + len(number) + len(self._rest)

    def pieces(self, number: int) -> tuple[bytes, bytes]:
        return self._start + _comment(struct.pack(">Q", number)), self._rest


def _comment(data: bytes) -> bytes:
    return b"\xff\xfe" + struct.pack(">H", len(data) + 2) + data


class Took(NamedTuple):
    """Of one upload: `status` 0 where there was no answer."""

    status: int
    wall: float
    phases: dict[str, float]
    """Seconds, as `Server-Timing` tells them."""

    @property
    def receive(self) -> float:
        """Until the photo is in the bucket. Who tells no phases answers then."""
        return self.phases.get("receive", self.wall)


async def send(port: int, *pieces: bytes) -> Took:
    """On a connection of its own; from before it connects to the last byte of the answer."""
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    answer = bytearray()
    with socket.socket() as connection, suppress(OSError, TimeoutError):
        connection.settimeout(0)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with asyncio.timeout(_PATIENCE):
            await loop.sock_connect(connection, ("127.0.0.1", port))
            for piece in pieces:
                await loop.sock_sendall(connection, piece)
            while received := await loop.sock_recv(connection, _ANSWER_BYTES):
                answer += received
    wall = time.perf_counter() - began
    status = re.match(rb"HTTP/1\.1 (\d{3})", answer)
    phases = {name.decode(): float(ms) / 1000 for name, ms in re.findall(rb"(\w+);dur=([\d.]+)", answer)}
    return Took(int(status[1]) if status else 0, wall, phases)


class Usage:
    """Of a server with its children: seconds of processor, and the highest sum of their RSS, sampled."""

    def __init__(self) -> None:
        self.server_cpu = self.tree_cpu = self.peak_mb = 0.0

    @contextmanager
    def of(self, pid: int) -> Iterator[None]:
        """Adds what is used inside."""
        server = psutil.Process(pid)
        tree = [server, *server.children(recursive=True)]
        before = list(map(_cpu, tree))
        is_over = threading.Event()
        sampling = threading.Thread(target=self._sample, args=(tree, is_over))
        sampling.start()
        try:
            yield
        finally:
            is_over.set()
            sampling.join()
            used = [_cpu(process) - spent for process, spent in zip(tree, before, strict=True)]
            self.server_cpu += used[0]
            self.tree_cpu += sum(used)

    def _sample(self, tree: list[psutil.Process], is_over: threading.Event) -> None:
        while True:
            rss = 0
            for process in tree:
                with suppress(psutil.NoSuchProcess):
                    rss += process.memory_info().rss
            self.peak_mb = max(self.peak_mb, rss / MIB)
            if is_over.wait(0.05):
                return


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
