"""Power that goes at every step between a photo's first byte and its answer, on the stack that `--database` names.

At random moments under load it goes in `process/test_kill.py` and, with two machines, in `production/test_kill.py`.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from photochanger.vendors.app import settings
from tests.support.canary import leaks
from tests.support.chaos import Stack, bucket_stack, folder_stack
from tests.support.drivers import step
from tests.support.product import ADMIN_PASSWORD
from tests.support.sender import missing, photos, post, send_half, unseen
from tests.support.server import Server, until
from tests.support.tcp import Proxy
from tests.support.vendors import Vendors, running_vendors

MIB = 2**20
SECONDS = 60
TRIES = 10
SUPPLY = photos()
PROCESSING = "SELECT id FROM jobs WHERE status = 'processing'"
CALLED = "SELECT 1 FROM attempts JOIN jobs ON jobs.id = attempts.job_id WHERE jobs.status = 'processing'"
MADE_TWICE = "SELECT source_sha256 FROM jobs WHERE outcome = 'transformed' GROUP BY source_sha256 HAVING count(*) > 1"
KEPT = "SELECT object_key FROM media WHERE evicted_at IS NULL"
REPORT = "objects missing: 0"


class Missed(Exception):  # noqa: N818
    """The server was so slow that it gave up, and said so, before its power went."""


class Scene:
    """A server whose power is about to go, a vendor behind `line`, and a sender behind `wire`."""

    def __init__(self, stack: Stack, vendors: Vendors, line: Proxy) -> None:
        self.stack = stack
        self.vendors = vendors
        self.line = line
        self.photo = b""
        self._sending: list[asyncio.Task[httpx.Response]] = []

    @property
    def server(self) -> Server:
        return self.stack.server

    def send(self, photo: bytes, *, port: int | None = None) -> None:
        self._sending.append(asyncio.create_task(self._send(photo, f"http://127.0.0.1:{port or self.server.port}")))

    async def _send(self, photo: bytes, url: str) -> httpx.Response:
        async with httpx.AsyncClient(base_url=url, timeout=SECONDS) as client:
            return await post(client, photo)

    async def sees(self, sql: str, rows: int = 1) -> None:
        async def is_so() -> bool:
            return len(await self.stack.query(sql)) == rows

        await until(is_so, seconds=SECONDS)

    async def is_called(self, times: int) -> None:
        async def is_so() -> bool:
            return len((await self.vendors.log())["calls"]) == times

        await until(is_so, seconds=SECONDS)

    async def has(self, count: int, *kinds: str, beside: list[str]) -> None:
        async def is_so() -> bool:
            fresh = set(await self.stack.objects()) - set(beside)
            return sum(key.startswith(kinds) for key in fresh) >= count

        await until(is_so, seconds=SECONDS)

    async def cut(self, wire: Proxy | None = None) -> None:
        """The power. Nobody got an answer, nor what `wire` still holds."""
        await self.server.kill()
        if wire is not None:
            await wire.stop()
        self.line.cut()
        self.line.release()
        answers = await asyncio.gather(*self._sending, return_exceptions=True)
        self._sending.clear()
        assert await self.server.survivors() == []
        for answer in answers:
            if not isinstance(answer, httpx.TransportError):
                raise Missed(answer)


async def during_the_upload(scene: Scene) -> None:
    half = asyncio.create_task(send_half(scene.server.url, next(photos(padding=24 * MIB))))
    await until(scene.stack.uploads, seconds=SECONDS)
    await scene.cut()
    half.cancel()


async def when_the_photo_is_whole_and_has_no_job(scene: Scene) -> None:
    before, jobs = await scene.stack.objects(), await scene.stack.query("SELECT id FROM jobs")
    async with scene.stack.locked():
        scene.send(scene.photo)
        await scene.has(1, "source/", beside=before)
        await scene.cut()
    assert await scene.stack.query("SELECT id FROM jobs") == jobs


async def while_the_job_waits_for_its_turn(scene: Scene) -> None:
    await scene.vendors.play("gemini", "hang")
    scene.send(next(SUPPLY))
    await scene.is_called(1)
    scene.send(scene.photo)
    await scene.sees(PROCESSING, 2)
    await scene.cut()


async def while_the_vendor_works(scene: Scene) -> None:
    await scene.vendors.play("gemini", "hang")
    scene.send(scene.photo)
    await scene.is_called(1)
    await scene.cut()


async def while_the_result_is_stored(scene: Scene) -> None:
    await _after_the_vendors_answer(scene, 1)


async def when_the_result_is_stored_and_not_committed(scene: Scene) -> None:
    await _after_the_vendors_answer(scene, 5)


async def _after_the_vendors_answer(scene: Scene, objects: int) -> None:
    before = await scene.stack.objects()
    scene.line.hold()
    scene.send(scene.photo)
    await scene.sees(CALLED)
    async with scene.stack.locked():
        scene.line.release()
        await scene.has(objects, "result/", "preview/", beside=before)
        await scene.cut()
    assert len(await scene.stack.query(PROCESSING)) == 1


async def when_the_end_is_committed_and_not_answered(scene: Scene) -> None:
    wire = Proxy(scene.server.port)
    await wire.start()
    scene.line.hold()
    scene.send(scene.photo, port=wire.port)
    await scene.sees(CALLED)
    wire.hold()
    scene.line.release()
    await scene.sees(PROCESSING, 0)
    await scene.cut(wire)


STEPS: list[Callable[[Scene], Awaitable[None]]] = [
    during_the_upload,
    when_the_photo_is_whole_and_has_no_job,
    while_the_job_waits_for_its_turn,
    while_the_vendor_works,
    while_the_result_is_stored,
    when_the_result_is_stored_and_not_committed,
    when_the_end_is_committed_and_not_answered,
]


@pytest.fixture
async def scene(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    """Set up and running: `slot-001` asks a vendor, one photo at a time."""
    on_bucket = request.config.getoption("database") == "postgresql"
    async with running_vendors() as vendors, (bucket_stack if on_bucket else folder_stack)(tmp_path) as stack:
        line = Proxy(vendors.port)
        await line.start()
        stack.server.environ |= dict(said.split("=", 1) for said in settings(f"127.0.0.1:{line.port}"))
        await stack.server.start()
        async with httpx.AsyncClient(base_url=stack.server.url, timeout=SECONDS) as client:
            login = await client.post("/api/login", json={"username": "boss", "password": ADMIN_PASSWORD})
            token = login.json()["access_token"]
            stack.server.secrets.add(token)
            client.headers["Authorization"] = f"Bearer {token}"
            version = (await client.get("/api/slots/slot-001")).json()["version"]
            members = {"version": version, "chain": [step("gemini", prompt="x")], "max_concurrency": 1}
            saved = await client.put("/api/slots/slot-001", json=members)
            assert saved.status_code == 200, saved.text
        yield Scene(stack, vendors, line)
        await stack.server.end()
        await line.stop()


@pytest.mark.s3
@pytest.mark.timeout(1800)
async def test_a_power_cut_at_any_step_loses_nothing_acknowledged_and_leaves_nothing_half_done(
    scene: Scene, request: pytest.FixtureRequest
):
    kept: dict[str, str] = {}
    for _ in range(request.config.getoption("kills") // 20):
        for at_step in STEPS:
            await cut(scene, at_step)
            assert await scene.stack.query(PROCESSING) == []
            kept |= await sent_again(scene, is_made=at_step is when_the_end_is_committed_and_not_answered)
    await nothing_is_left(scene.stack, kept)
    assert leaks(scene.server.log.read_text(), scene.server.secrets) == []


async def cut(scene: Scene, at_step: Callable[[Scene], Awaitable[None]]) -> None:
    """At that step; the server runs again."""
    for _ in range(TRIES):
        scene.photo = next(SUPPLY)
        await scene.vendors.restart()
        try:
            await at_step(scene)
        except Missed:
            await scene.server.start()
            continue
        await scene.server.start()
        return
    raise AssertionError(f"{TRIES} times too late for {at_step.__name__}")


async def sent_again(scene: Scene, *, is_made: bool) -> dict[str, str]:
    """What a booth does whose photo got no answer; the path and hash of what it gets now."""
    await scene.vendors.play("gemini")
    calls = len((await scene.vendors.log())["calls"])
    async with httpx.AsyncClient(base_url=scene.server.url, timeout=SECONDS) as client:
        answer = await patiently(lambda: post(client, scene.photo))
        assert await unseen(client) == []
    assert not is_made or answer.headers["x-outcome"] == "duplicate"
    await scene.is_called(calls + (not is_made))
    link = urlsplit(answer.headers["x-result-url"])
    return {f"{link.path}?{link.query}": hashlib.sha256(answer.content).hexdigest()}


async def patiently(ask: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """On a machine with much else to do a server just started may say that its database takes too long."""
    for _ in range(TRIES):
        answer = await ask()
        if answer.status_code != 503:
            break
    assert answer.status_code == 200, answer.text
    return answer


async def nothing_is_left(stack: Stack, kept: dict[str, str]) -> None:
    """After one sweep."""
    swept = await stack.server.run("reconcile")
    assert swept.code == 0, swept.out
    assert REPORT in swept.out
    assert await stack.uploads() == []
    assert await stack.objects() == sorted(key for (key,) in await stack.query(KEPT))
    assert await stack.query(PROCESSING) == []
    assert await stack.query(MADE_TWICE) == []
    async with httpx.AsyncClient(base_url=stack.server.url, timeout=SECONDS) as client:
        assert await missing(client, kept) == []
        assert await unseen(client) == []
