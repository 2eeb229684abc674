"""How much memory the server takes while many large photos arrive at once, and whether each is stored byte for byte.

Linux only. Starts PostgreSQL, SeaweedFS and `photochanger serve` itself; ends with 1 when a goal is missed.
"""

import argparse
import asyncio
import hashlib
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.support import LARGE_BYTES, PASSWORD, Photo, camera_jpeg, query, send, sender, told
from photochanger.adapters.storage.s3 import S3Store
from photochanger.core.clock import SystemClock
from photochanger.core.limits import MIB
from tests.support.postgres import Cluster, running_cluster
from tests.support.s3 import S3Address, s3_server
from tests.support.server import Server, running_server
from tests.support.stores import settings_of

SERVER_GOAL_MB = 320
TREE_GOAL_MB = 600


class Peaks:
    """Of a server and its workers: its own to the byte, from the kernel; the tree's from samples."""

    def __init__(self, pid: int) -> None:
        self._server = psutil.Process(pid)
        self.idle_mb = self._server.memory_info().rss / MIB
        self.tree_rss_mb = self.tree_pss_mb = 0.0

    @property
    def server_mb(self) -> float:
        lines = Path(f"/proc/{self._server.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))

    @contextmanager
    def sampled(self) -> Iterator[None]:
        is_over = threading.Event()
        sampling = threading.Thread(target=self._sample, args=(is_over,))
        sampling.start()
        try:
            yield
        finally:
            is_over.set()
            sampling.join()

    def _sample(self, is_over: threading.Event) -> None:
        while not is_over.wait(0.05):
            rss = pss = 0
            for process in (self._server, *self._server.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    taken = process.memory_full_info()
                    rss, pss = rss + taken.rss, pss + taken.pss
            self.tree_rss_mb, self.tree_pss_mb = max(self.tree_rss_mb, rss / MIB), max(self.tree_pss_mb, pss / MIB)


class Run(NamedTuple):
    store: str
    answers: Counter[str]
    seconds: float
    slowest: float
    arrived: int
    peaks: Peaks
    server_mb: float


async def send_all(server: Server, photos: list[Photo]) -> tuple[Counter[str], float]:
    """How they were answered, and the seconds of the slowest."""
    async with sender(server.url) as client:
        answers = await asyncio.gather(*(send(client, "slot-001", photo) for photo in photos))
    return Counter(said.answer for said in answers), max(said.seconds for said in answers)


async def measure(store: str, photos: list[Photo], cluster: Cluster, place: S3Address, folder: Path) -> Run:
    await query(cluster, f"CREATE DATABASE {store}")
    environ = place.environ if store == "s3" else {}
    server = Server(folder, DATABASE_URL=cluster.url(store), SYNC_RESPONSE_SECONDS="60", LOG_LEVEL="info", **environ)
    await told(server, "migrate")
    await told(server, "slots", "set-password", "slot-001", "--password-stdin", stdin=PASSWORD.encode())
    async with running_server(folder, **server.environ) as server:
        peaks = Peaks(server.process.pid)
        began = time.monotonic()
        with peaks.sampled():
            answers, slowest = await send_all(server, photos)
        seconds = time.monotonic() - began
        arrived = await count_whole(store, photos, cluster, place, server)
        return Run(store, answers, seconds, slowest, arrived, peaks, peaks.server_mb)


async def count_whole(store: str, photos: list[Photo], cluster: Cluster, place: S3Address, server: Server) -> int:
    """Photos that lie in the store as they were sent, by the SHA-256 of what is read back."""
    rows = await query(cluster, "SELECT object_key FROM media WHERE kind = 'source'", store)
    if store == "local":
        found = [_digest_of(server.data_dir / "media" / row["object_key"]) for row in rows]
    else:
        bucket = S3Store(settings_of(place), clock=SystemClock())
        found = [await _digest_in(bucket, row["object_key"]) for row in rows]
        await bucket.close()
    return len({photo.sha256() for photo in photos} & set(found))


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def _digest_in(bucket: S3Store, key: str) -> str:
    digest = hashlib.sha256()
    async with bucket.get(key) as chunks:
        async for chunk in chunks:
            digest.update(chunk)
    return digest.hexdigest()


def report(runs: list[Run], count: int) -> bool:
    """Prints the table; whether every goal is reached."""
    print("| store | answers | all in | slowest | whole in the store | idle | server | tree RSS | tree PSS |")
    print("|---|---|---|---|---|---|---|---|---|")
    for run in runs:
        answers = ", ".join(f"{number} × {said}" for said, number in run.answers.items())
        times = f"{run.seconds:.1f} s | {run.slowest:.1f} s"
        memory = (run.peaks.idle_mb, run.server_mb, run.peaks.tree_rss_mb, run.peaks.tree_pss_mb)
        cells = " | ".join(f"{size:.0f} MB" for size in memory)
        print(f"| {run.store} | {answers} | {times} | {run.arrived} of {count} | {cells} |")
    return all(
        run.answers == {"200": count}
        and run.arrived == count
        and run.server_mb <= SERVER_GOAL_MB
        and run.peaks.tree_rss_mb <= TREE_GOAL_MB
        for run in runs
    )


def main(stores: list[str], count: int) -> bool:
    jpeg = camera_jpeg()
    photos = [Photo(jpeg, number, size_bytes=LARGE_BYTES) for number in range(count)]
    temporary = tempfile.TemporaryDirectory(prefix="photochanger-benchmark-")
    with temporary as folder, running_cluster() as cluster, s3_server() as endpoint:
        place = S3Address(endpoint)
        runs = [asyncio.run(measure(store, photos, cluster, place, Path(folder) / store)) for store in stores]
    return report(runs, count)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", choices=["s3", "local"], action="append", help="both where none is named")
    parser.add_argument("--photos", type=int, default=32, help="sent at once (32)")
    given = parser.parse_args()
    sys.exit(0 if main(given.store or ["s3", "local"], given.photos) else 1)
