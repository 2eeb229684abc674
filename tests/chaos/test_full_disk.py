"""A disk that is full, and senders that leave at every stage: a server of its own, on a folder and SQLite."""

import hashlib
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.canary import leaks
from tests.support.chaos import Stack, folder_stack
from tests.support.multipart import encode, file, text
from tests.support.product import SLOT_PASSWORD
from tests.support.sender import missing, photos, post
from tests.support.server import until
from tests.support.wire import connected, request_head

MIB = 2**20
KIB = 2**10
UNLIMITED = resource.RLIM_INFINITY
PROCESSING = "SELECT id FROM jobs WHERE status = 'processing'"
SUPPLY = photos()


@pytest.fixture(scope="module")
async def stack(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with folder_stack(tmp_path_factory.mktemp("disk")) as stack:
        await stack.server.start()
        yield stack
        log = stack.server.log.read_text()
        await stack.server.end()
        assert leaks(log) == []
        assert "Traceback" not in log


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=stack.server.url, timeout=60) as client:
        yield client


@contextmanager
def disk_of(stack: Stack, size_bytes: int) -> Iterator[None]:
    """No file of the server, its database and its log included, grows beyond that: what is full for it."""
    pid = stack.server.process.pid
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size_bytes, UNLIMITED))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))


async def code_of(client: httpx.AsyncClient, photo: bytes) -> tuple[int, str]:
    answer = await post(client, photo)
    assert int(answer.headers["retry-after"]) >= 1
    return answer.status_code, answer.json()["code"]


async def test_a_full_disk_refuses_photos_keeps_what_it_has_and_is_well_again_at_once(
    stack: Stack, client: httpx.AsyncClient
):
    first = await post(client, next(SUPPLY))
    assert first.status_code == 200, first.text
    kept = {_path(first): hashlib.sha256(first.content).hexdigest()}
    journal = stack.server.data_dir / "photochanger.db-wal"
    with disk_of(stack, MIB):
        assert await code_of(client, next(photos(padding=2 * MIB))) == (503, "storage-unavailable")
    assert journal.stat().st_size > 40 * KIB
    with disk_of(stack, 40 * KIB):  # room for a small photo, none for its job
        assert await code_of(client, next(SUPPLY)) == (503, "database-unavailable")
    with disk_of(stack, 1):
        assert await code_of(client, next(SUPPLY)) == (503, "storage-unavailable")
        health = await client.get("/healthz")
        assert (health.status_code, health.json()["checks"]["storage"]["ok"]) == (503, False)
        assert "EFBIG" in health.json()["checks"]["storage"]["reason"]
        assert await missing(client, kept) == []
        assert (await client.get("/livez")).status_code == 200
    again = await post(client, next(SUPPLY))
    assert again.status_code == 200, again.text
    kept[_path(again)] = hashlib.sha256(again.content).hexdigest()
    assert await missing(client, kept) == []
    assert await stack.uploads() == []
    assert await stack.query(PROCESSING) == []
    rows = await stack.query("SELECT object_key FROM media WHERE evicted_at IS NULL")
    [alone] = set(await stack.objects()) - {key for (key,) in rows}
    assert alone.startswith("source/")  # its job may have come to be after all: the sweep waits for its hour


def _path(answer: httpx.Response) -> str:
    link = urlsplit(answer.headers["x-result-url"])
    return f"{link.path}?{link.query}"


async def test_a_sender_may_leave_at_any_byte(stack: Stack, client: httpx.AsyncClient):
    """Nothing is left of what was not whole; what was is finished without it."""
    objects, [(jobs,)] = await stack.objects(), await stack.query("SELECT count(*) FROM jobs WHERE status = 'done'")
    [(total,)] = await stack.query("SELECT count(*) FROM jobs")
    seen = len(stack.server.lines())
    photo = next(SUPPLY)
    content_type, body = encode([text("password", SLOT_PASSWORD), file(photo)])
    head = request_head("/api/ingest/slot-001", [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"])
    begins = body.index(photo)
    for sent in (0, 1, begins - 1, begins, begins + 100, begins + len(photo) // 2, begins + len(photo), len(body) - 1):
        await leave_after(stack, head + body[:sent])
    for cut in (1, len(head) // 2, len(head) - 1):
        await leave_after(stack, head[:cut])
    async with connected(stack.server.port) as wire:
        await wire.send(head, body)
        await until(lambda: _has_jobs(stack, total + 1), seconds=60)
        wire.reset()
    await until(lambda: _has_jobs(stack, jobs + 1, "WHERE status = 'done'"), seconds=60)
    await until(lambda: _has_no_upload(stack), seconds=60)
    assert await _has_jobs(stack, total + 1)
    assert len(await stack.objects()) == len(objects) + 6
    answer = await post(client, photo)
    assert (answer.status_code, answer.headers["x-outcome"]) == (200, "duplicate")
    assert {line.get("level") for line in stack.server.lines()[seen:]} <= {"info", "debug"}


async def leave_after(stack: Stack, begun: bytes) -> None:
    async with connected(stack.server.port) as wire:
        await wire.send(begun)
        wire.reset()


async def _has_jobs(stack: Stack, count: int, which: str = "") -> bool:
    return await stack.query(f"SELECT count(*) FROM jobs {which}") == [(count,)]


async def _has_no_upload(stack: Stack) -> bool:
    return await stack.uploads() == []
