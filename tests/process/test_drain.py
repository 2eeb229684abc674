"""SIGTERM: no new photo, uploads broken off, those who wait for a photo get it, then the end. A second one: the end."""

import asyncio
import signal

import httpx
import pytest

from tests.support.canary import leaks
from tests.support.multipart import encode, file, text
from tests.support.pictures import jpeg
from tests.support.product import ADMIN_PASSWORD, SLOT_PASSWORD
from tests.support.s3 import own_place, stored
from tests.support.sender import photos
from tests.support.server import Server, until
from tests.support.vendors import running_vendors
from tests.support.wire import connected, request_head

UPLOADS, BUFFERS, JOBS = 8, 4, 3


pytestmark = pytest.mark.s3

PROCESSING = "SELECT id FROM attempts WHERE duration_ms IS NULL"
"""What asks a vendor."""


@pytest.fixture(scope="module")
async def vendors():
    async with running_vendors() as vendors:
        yield vendors


@pytest.fixture(scope="module")
def place():
    return own_place()


@pytest.fixture(scope="module")
async def installed(tmp_path_factory, vendors, place):
    """Set up on a bucket; `slot-001` asks a vendor."""
    environ = {**vendors.environ, **place.environ, "S3_UPLOAD_MEMORY_MB": str(8 * BUFFERS)}
    server = Server(tmp_path_factory.mktemp("drain"), **environ)
    for arguments, password in (
        (("slots", "set-password", "slot-001"), SLOT_PASSWORD),
        (("accounts", "create", "boss", "--role", "admin"), ADMIN_PASSWORD),
    ):
        assert (await server.run(*arguments, "--password-stdin", stdin=password.encode())).code == 0
    await server.start()
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        login = await client.post("/api/login", json={"username": "boss", "password": ADMIN_PASSWORD})
        admin = {"Authorization": f"Bearer {login.json()['access_token']}"}
        slot = (await client.get("/api/slots/slot-001", headers=admin)).json()
        chain = [{"provider": "openai", "operation": "edit", "prompt": "A hero"}]
        answer = await client.put("/api/slots/slot-001", json=slot | {"chain": chain}, headers=admin)
        assert answer.status_code == 200, answer.text
    await server.stop()
    return server


@pytest.fixture
async def server(installed, vendors):
    vendors.gate.clear()
    await installed.start()
    yield installed
    vendors.gate.set()
    await installed.end()


async def send(server, photo):
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        files = {"fileToUpload": ("a.jpg", photo, "image/jpeg")}
        return await client.post("/api/ingest/slot-001", data={"password": SLOT_PASSWORD}, files=files)


async def break_off(server, begun):
    """Sends the larger half of an upload and waits for what the server makes of it."""
    content_type, body = encode([text("password", SLOT_PASSWORD), file(next(photos(padding=18 << 20)))])
    head = request_head("/api/ingest/slot-001", [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"])
    async with connected(server.port) as wire:
        sending = asyncio.create_task(wire.send(head, body[: 10 << 20]))
        begun.append(sending)
        answer = await wire.receive()
        sending.cancel()
    return answer


async def test_a_server_that_ends_breaks_uploads_off_and_answers_whose_photo_is_being_made(server, vendors, place):
    rows, seen = len(server.query("SELECT id FROM jobs")), len(server.lines())
    asked = len(server.query(PROCESSING))
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client, asyncio.timeout(100):
        jobs = [asyncio.create_task(send(server, jpeg(300, 200, seed=seed))) for seed in range(JOBS)]
        await until(lambda: len(server.query(PROCESSING)) == asked + JOBS, seconds=60)
        begun: list[asyncio.Task[None]] = []
        uploads = [asyncio.create_task(break_off(server, begun)) for _ in range(UPLOADS)]

        async def are_open():
            return len((await stored(place)).uploads) == BUFFERS and len(begun) == UPLOADS

        await until(are_open, seconds=60)
        server.process.send_signal(signal.SIGTERM)
        for answer in await asyncio.gather(*uploads):
            assert (answer.status, answer.headers["retry-after"]) == (503, "5")
            assert b'"draining"' in answer.body
        async with connected(server.port) as wire:
            lines = ["Content-Type: multipart/form-data; boundary=BB", "Content-Length: 9999"]
            await wire.send(request_head("/api/ingest/slot-001", [*lines, "Expect: 100-continue"]))
            refused = await wire.receive()
        assert refused.status == 503
        assert b'"draining"' in refused.body
        assert (await client.get("/livez")).status_code == 200
        assert not any(job.done() for job in jobs)
        vendors.gate.set()
        assert [(await job).status_code for job in jobs] == [200] * JOBS
        assert await asyncio.to_thread(server.process.wait) in (0, -signal.SIGTERM)
    assert await server.survivors() == []
    assert len(server.query("SELECT id FROM jobs")) == rows + JOBS
    found = await stored(place)
    assert found.uploads == []
    assert len(found.objects) == len(server.query("SELECT id FROM media"))
    assert leaks(server.log.read_text()) == []
    assert [line for line in server.lines()[seen:] if line.get("level") in ("warning", "error")] == []


async def test_a_second_signal_ends_the_server_at_once(server):
    asked, seen = len(server.query(PROCESSING)), len(server.lines())
    job = asyncio.create_task(send(server, jpeg(64, 48, seed=99)))
    await until(lambda: len(server.query(PROCESSING)) > asked, seconds=60)
    server.process.send_signal(signal.SIGTERM)
    await server.logged(lambda line: line["event"] == "server.draining", since=seen)
    server.process.send_signal(signal.SIGTERM)
    with pytest.raises(httpx.TransportError):
        await job
    assert await asyncio.to_thread(server.process.wait, 20) == -signal.SIGTERM
    assert await server.survivors() == []
