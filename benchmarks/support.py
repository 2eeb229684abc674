"""What the programs share: a product and its vendors as processes of their own, booths' photos, words for reports."""

import hashlib
import io
import math
import os
import platform
import random
import re
import signal
import statistics
import struct
import subprocess
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import asyncpg
import httpx
import pyvips
from PIL import ImageDraw

from photochanger.core.limits import MIB
from photochanger.vendors.app import settings
from tests.support.pictures import picture
from tests.support.ports import free_port
from tests.support.postgres import Cluster
from tests.support.server import COMMAND, Server, running_server, until

PASSWORD = "1234"
LARGE_BYTES = 50 * MIB - 64 * 1024
"""As large as the default limit lets a photo be, or nearly."""
_ADMIN, _ADMIN_PASSWORD = "benchmark", "benchmark"
_SEGMENT = 65_533
_AT_ONCE = 16
_BOUNDARY = "benchmark"
_MARK = 8
_PATIENCE = 150


class Photo:
    """`jpeg`, and comments in front up to `size_bytes`: its pixels are reached by reading all of it."""

    def __init__(self, jpeg: bytes, number: int = 0, *, size_bytes: int = 0) -> None:
        noise = random.Random(number).randbytes(_SEGMENT)
        self._jpeg = jpeg
        self._comment = b"\xff\xfe" + struct.pack(">H", _SEGMENT + 2) + noise
        self._count = max(0, size_bytes - len(jpeg)) // len(self._comment)
        self.size_bytes = len(jpeg) + self._count * len(self._comment)

    def pieces(self) -> Iterator[bytes]:
        yield self._jpeg[:2]
        for begin in range(0, self._count, _AT_ONCE):
            yield self._comment * min(_AT_ONCE, self._count - begin)
        for start in range(2, len(self._jpeg), _SEGMENT):
            yield self._jpeg[start : start + _SEGMENT]

    def sha256(self) -> str:
        digest = hashlib.sha256()
        for piece in self.pieces():
            digest.update(piece)
        return digest.hexdigest()


def camera_jpeg(width: int = 4000, height: int = 3000, *, quality: int = 92) -> bytes:
    """With grain; 5 MB, if nothing else is asked for."""
    ground = picture(width, height)
    image = pyvips.Image.new_from_memory(ground.tobytes(), ground.width, ground.height, 3, "uchar")
    grain = pyvips.Image.gaussnoise(width, height, sigma=9, mean=0, seed=1)
    data: bytes = (image + grain).cast("uchar").copy(interpretation="srgb").jpegsave_buffer(Q=quality)
    return data


def small_photos(count: int, *, first: int = 0) -> Iterator[Photo]:
    """600 × 400. No two have the same pixels: a vendor can tell them apart, too. Equal numbers, equal photos."""
    ground = picture(600, 400)
    for number in range(first, first + count):
        image = ground.copy()
        draw = ImageDraw.Draw(image)
        for place in range(16):
            tone = (255,) * 3 if number >> place & 1 else (0,) * 3
            draw.rectangle((place * _MARK, 0, (place + 1) * _MARK - 1, _MARK - 1), fill=tone)
        to = io.BytesIO()
        image.save(to, "JPEG", quality=90)
        yield Photo(to.getvalue())


class Said(NamedTuple):
    """How a photo was answered: `200`, or the status and the problem's code."""

    answer: str
    seconds: float
    is_transformed: bool = False
    job_id: str = ""
    phases: Mapping[str, float] = MappingProxyType({})
    """Seconds, as `Server-Timing` tells them."""


async def send(client: httpx.AsyncClient, slot_id: str, photo: Photo) -> Said:
    """One photo as a booth sends it; the wait is from the first byte sent to the last one received."""
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
    began = time.monotonic()
    try:
        answer = await client.post(f"/api/ingest/{slot_id}", content=body(), headers=headers)
    except httpx.TransportError as error:
        return Said(f"no answer ({type(error).__name__})", time.monotonic() - began)
    seconds, job_id = time.monotonic() - began, answer.headers.get("X-Job-Id", "")
    if not answer.is_success:
        return Said(f"{answer.status_code} {answer.json()['code']}", seconds, job_id=job_id)
    phases = re.findall(r"(\w+);dur=([\d.]+)", answer.headers["Server-Timing"])
    taken = {name: float(milliseconds) / 1000 for name, milliseconds in phases}
    return Said("200", seconds, answer.headers["X-Outcome"] == "transformed", job_id, taken)


def sender(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, timeout=_PATIENCE, limits=httpx.Limits())


class Product(NamedTuple):
    """A server on a database of its own, and its administrator."""

    server: Server
    admin: httpx.AsyncClient
    database: str
    cluster: Cluster

    async def change_slot(self, slot_id: str, **members: Any) -> None:
        found = await self.admin.get(f"/api/slots/{slot_id}")
        body = {"version": found.json()["version"], "password": PASSWORD, **members}
        (await self.admin.put(f"/api/slots/{slot_id}", json=body)).raise_for_status()

    async def change_settings(self, **members: Any) -> None:
        version = (await self.admin.get("/api/settings")).json()["version"]
        (await self.admin.put("/api/settings", json={"version": version, **members})).raise_for_status()

    async def query(self, sql: str) -> list[asyncpg.Record]:
        return await query(self.cluster, sql, self.database)


@asynccontextmanager
async def running_product(cluster: Cluster, folder: Path, **environ: str) -> AsyncIterator[Product]:
    """`folder` gives the database its name."""
    database = folder.name
    await query(cluster, f"CREATE DATABASE {database}")
    server = Server(folder, DATABASE_URL=cluster.url(database), LOG_LEVEL="info", **environ)
    await told(server, "migrate")
    secret = _ADMIN_PASSWORD.encode()
    await told(server, "accounts", "create", _ADMIN, "--role", "admin", "--password-stdin", stdin=secret)
    async with running_server(folder, **server.environ) as server, sender(server.url) as admin:
        login = await admin.post("/api/login", json={"username": _ADMIN, "password": _ADMIN_PASSWORD})
        admin.headers["Authorization"] = f"Bearer {login.raise_for_status().json()['access_token']}"
        yield Product(server, admin, database, cluster)


class Vendors(NamedTuple):
    """`photochanger vendors`: its script is `/control`, its books are `/log`."""

    address: str
    client: httpx.AsyncClient

    @property
    def environ(self) -> dict[str, str]:
        """Leads a product here."""
        return dict(line.split("=", 1) for line in settings(self.address))

    async def play(self, vendor: str, **script: Any) -> None:
        (await self.client.put(f"/control/{vendor}", json=script)).raise_for_status()

    async def books(self) -> dict[str, Any]:
        books: dict[str, Any] = (await self.client.get("/log")).raise_for_status().json()
        return books

    async def forget(self) -> None:
        (await self.client.delete("/log")).raise_for_status()


@asynccontextmanager
async def running_vendors(folder: Path) -> AsyncIterator[Vendors]:
    port = free_port()
    vendors = Vendors(f"127.0.0.1:{port}", sender(f"http://127.0.0.1:{port}"))
    with (folder / "vendors.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: ASYNC220 – returns at once
            [COMMAND, "vendors", "--port", str(port)], cwd=folder, stdout=log, stderr=log
        )

    async def answers() -> bool:
        try:
            return (await vendors.client.get("/control")).is_success
        except httpx.TransportError:
            return False

    try:
        await until(answers, seconds=60)
        yield vendors
    finally:
        await vendors.client.aclose()
        process.send_signal(signal.SIGTERM)
        process.wait(30)


async def told(server: Server, *command: str, stdin: bytes = b"") -> None:
    server.folder.mkdir(parents=True, exist_ok=True)
    ended = await server.run(*command, stdin=stdin)
    if ended.code:
        raise SystemExit(ended.err)


async def query(cluster: Cluster, sql: str, database: str = "postgres") -> list[asyncpg.Record]:
    connection = await asyncpg.connect(cluster.url(database))
    try:
        return list(await connection.fetch(sql))
    finally:
        await connection.close()


def percentile(values: Iterable[float], share: float) -> float:
    """The value that `share` of `values` do not exceed."""
    ordered = sorted(values)
    return ordered[math.ceil(share * len(ordered)) - 1]


def spread(seconds: Sequence[float]) -> str:
    """p50 / p95 / p99 / max, a table's cell."""
    found = [statistics.median(seconds), *(percentile(seconds, share) for share in (0.95, 0.99)), max(seconds)]
    return " / ".join(f"{each:.2f} s" for each in found)


async def circumstances(cluster: Cluster) -> str:
    """What the numbers were taken on: for the line above a table."""
    [version] = await query(cluster, "SHOW server_version")
    load = os.getloadavg()[0]
    commit = subprocess.run(  # noqa: ASYNC221 – before anything is measured
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {commit or 'no checkout'}, {os.cpu_count()} cores ({_processor()}), "
        f"Python {platform.python_version()}, PostgreSQL {version[0].split()[0]}, libvips {_libvips()}; "
        f"load of the machine before the start {load:.1f}"
    )


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _libvips() -> str:
    return ".".join(str(pyvips.version(part)) for part in range(3))


def verdict(goals: dict[str, bool]) -> bool:
    """Prints which goals are missed; whether none is."""
    missed = [goal for goal, is_reached in goals.items() if not is_reached]
    print("\nEvery goal is reached." if not missed else "\nMissed: " + "; ".join(missed) + ".")
    return not missed
