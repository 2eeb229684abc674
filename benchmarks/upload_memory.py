"""How much memory the server takes while many large photos arrive at once, and whether each is stored byte for byte.

Linux only. Starts PostgreSQL, SeaweedFS and `photochanger serve` itself; ends with 1 when a goal is missed.
"""

import argparse
import asyncio
import hashlib
import random
import struct
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import asyncpg
import httpx
import psutil
import pyvips

from photochanger.adapters.storage.s3 import S3Store
from photochanger.core.clock import SystemClock
from photochanger.core.limits import MIB
from tests.support.pictures import picture
from tests.support.postgres import Cluster, running_cluster
from tests.support.s3 import S3Address, s3_server
from tests.support.server import Server, running_server
from tests.support.stores import settings_of

SERVER_GOAL_MB = 320
TREE_GOAL_MB = 600
PHOTO_BYTES = 50 * MIB - 64 * 1024
"""As large as the default limit lets one be, or nearly."""
PASSWORD = "1234"
_SEGMENT = 65_533
_BOUNDARY = "benchmark"


class Photo:
    """12 megapixels like a camera's, and comments in front up to 50 MB: pixels are reached by reading all of it."""

    def __init__(self, jpeg: bytes, number: int) -> None:
        noise = random.Random(number).randbytes(_SEGMENT)
        self._jpeg = jpeg
        self._comment = b"\xff\xfe" + struct.pack(">H", _SEGMENT + 2) + noise
        self._count = (PHOTO_BYTES - len(jpeg)) // len(self._comment)
        self.size_bytes = len(jpeg) + self._count * len(self._comment)

    def pieces(self) -> Iterator[bytes]:
        yield self._jpeg[:2]
        for _ in range(self._count):
            yield self._comment
        for start in range(2, len(self._jpeg), _SEGMENT):
            yield self._jpeg[start : start + _SEGMENT]

    def sha256(self) -> str:
        digest = hashlib.sha256()
        for piece in self.pieces():
            digest.update(piece)
        return digest.hexdigest()


def camera_jpeg() -> bytes:
    """4000 × 3000 with grain, 5 MB."""
    ground = picture(4000, 3000)
    image = pyvips.Image.new_from_memory(ground.tobytes(), ground.width, ground.height, 3, "uchar")
    grain = pyvips.Image.gaussnoise(4000, 3000, sigma=9, mean=0, seed=1)
    data: bytes = (image + grain).cast("uchar").copy(interpretation="srgb").jpegsave_buffer(Q=92)
    return data


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


async def send(client: httpx.AsyncClient, photo: Photo) -> str:
    """Status, and the problem's code where there is one."""
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'.encode()
    tail = f"\r\n--{_BOUNDARY}--\r\n".encode()

    async def body() -> AsyncIterator[bytes]:
        yield head
        for piece in photo.pieces():
            yield piece
        yield tail

    headers = {
        "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}",
        "Content-Length": str(len(head) + photo.size_bytes + len(tail)),
        "X-Slot-Password": PASSWORD,
    }
    try:
        answer = await client.post("/api/ingest/slot-001", content=body(), headers=headers)
    except httpx.TransportError as error:
        return f"no answer ({type(error).__name__})"
    return "200" if answer.is_success else f"{answer.status_code} {answer.json()['code']}"


async def send_all(server: Server, photos: list[Photo]) -> tuple[Counter[str], float]:
    """How they were answered, and the seconds of the slowest."""

    async def timed(photo: Photo) -> tuple[str, float]:
        began = time.monotonic()
        return await send(client, photo), time.monotonic() - began

    async with httpx.AsyncClient(base_url=server.url, timeout=120, limits=httpx.Limits()) as client:
        answers = await asyncio.gather(*map(timed, photos))
    return Counter(said for said, _ in answers), max(seconds for _, seconds in answers)


async def measure(store: str, photos: list[Photo], cluster: Cluster, place: S3Address, folder: Path) -> Run:
    await _command(cluster, f"CREATE DATABASE {store}")
    environ = place.environ if store == "s3" else {}
    server = Server(folder, DATABASE_URL=cluster.url(store), SYNC_RESPONSE_SECONDS="60", LOG_LEVEL="info", **environ)
    await _told(server, "migrate")
    await _told(server, "slots", "set-password", "slot-001", "--password-stdin", stdin=PASSWORD.encode())
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
    rows = await _command(cluster, "SELECT object_key FROM media WHERE kind = 'source'", store)
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


async def _told(server: Server, *command: str, stdin: bytes = b"") -> None:
    server.folder.mkdir(parents=True, exist_ok=True)
    ended = await server.run(*command, stdin=stdin)
    if ended.code:
        raise SystemExit(ended.err)


async def _command(cluster: Cluster, sql: str, database: str = "postgres") -> list[asyncpg.Record]:
    connection = await asyncpg.connect(cluster.url(database))
    try:
        return list(await connection.fetch(sql))
    finally:
        await connection.close()


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
    photos = [Photo(jpeg, number) for number in range(count)]
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
