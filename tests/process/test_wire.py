"""The booth's door on a real socket: what only bytes, segments and resets can break."""

import asyncio

import pytest

from photochanger.core.limits import MIB
from tests.support.booth import PASSWORD, booth_request
from tests.support.imaging import opened
from tests.support.multipart import encode, file, text
from tests.support.pictures import jpeg
from tests.support.product import SLOT_PASSWORD
from tests.support.server import until
from tests.support.wire import CONTINUE, connected, request_head

HUGE = 50 * MIB


def upload(photo, *, password=SLOT_PASSWORD, path="/api/ingest/slot-001"):
    """(head, body) of a plain upload that does not wait for `100 Continue`."""
    content_type, body = encode([text("password", password), file(photo)])
    return request_head(path, [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]), body


async def test_the_booths_request_byte_for_byte_gets_its_photo(server):
    photo = jpeg(800, 600, seed=11)
    head, body, _ = booth_request(photo, slot_id="slot-002", host=f"127.0.0.1:{server.port}", password=PASSWORD)
    async with connected(server.port) as wire:
        await wire.send(head)
        assert await wire.receive_head() == CONTINUE
        await wire.send(body)
        answer = await wire.receive()
    assert (answer.status, answer.headers["content-type"]) == (200, "image/jpeg")
    assert answer.headers["x-outcome"] == "transformed"
    assert opened(answer.body).size == (800, 600)
    assert answer.body != photo


async def test_two_photos_on_one_connection(server):
    async with connected(server.port) as wire:
        for seed in (21, 22):
            head, body, _ = booth_request(jpeg(64, 48, seed=seed), password=SLOT_PASSWORD)
            await wire.send(head)
            assert await wire.receive_head() == CONTINUE
            await wire.send(body)
            answer = await wire.receive()
            assert answer.status == 200
            assert "connection" not in answer.headers


@pytest.mark.parametrize(
    ("path", "extra", "status", "code"),
    [
        ("/api/ingest/slot-003", ["X-Slot-Password: wrong-header-4711"], 401, "slot-credentials-invalid"),
        ("/api/ingest/slot-001?key=wrong-key-4711", [], 401, "slot-credentials-invalid"),
        ("/api/ingest/slot-999", [], 404, "slot-not-found"),
        ("/api/ingest/slot-001", [f"Content-Length: {HUGE + MIB}"], 413, "upload-too-large"),
    ],
    ids=["header", "key", "slot", "size"],
)
async def test_what_the_head_tells_is_refused_before_the_body_is_asked_for(server, path, extra, status, code):
    server.secrets |= {"wrong-header-4711", "wrong-key-4711"}
    lines = ["Content-Type: multipart/form-data; boundary=BB", "Expect: 100-continue", *extra]
    if not any(line.startswith("Content-Length") for line in lines):
        lines.append(f"Content-Length: {HUGE}")
    async with connected(server.port) as wire:
        await wire.send(request_head(path, lines))
        answer = await wire.receive()
        assert await wire.is_closed_by_server()
    assert answer.status == status
    assert f'"{code}"'.encode() in answer.body


@pytest.mark.parametrize(
    ("extra", "size", "status"),
    [("X-Slot-Password: wrong-header-4711", 20 * MIB, 401), ("Accept: */*", HUGE + 2 * MIB, 413)],
    ids=["password", "size"],
)
async def test_a_sender_that_does_not_listen_reads_the_whole_refusal(server, extra, size, status):
    lines = [extra, "Content-Type: multipart/form-data; boundary=BB", f"Content-Length: {size}"]
    async with connected(server.port) as wire:
        await wire.send(request_head("/api/ingest/slot-001", lines))
        await wire.send(*[b"x" * MIB] * (size // MIB))
        answer = await wire.receive()
        assert await wire.is_closed_by_server()
    assert answer.status == status
    assert answer.body.endswith(b"}")


async def test_an_upload_in_segments_of_one_byte_is_taken_and_keeps_its_connection(server):
    head, body = upload(jpeg(24, 16, seed=31, quality=40))
    async with connected(server.port) as wire, asyncio.timeout(30):
        await wire.send_bytewise(head + body)
        first = await wire.receive()
        await wire.send(*upload(jpeg(24, 16, seed=32, quality=40)))
        second = await wire.receive()
    assert (first.status, second.status) == (200, 200)


@pytest.mark.parametrize("behind", [len(b"\r\n--BB--\r\n"), len(b"--\r\n"), len(b"\r\n")])
async def test_the_end_of_an_upload_may_come_in_its_own_segment(server, behind):
    head, body = upload(jpeg(64, 48, seed=40 + behind))
    before = server.stored_files()
    async with connected(server.port) as wire:
        await wire.send(head, body[:-behind])
        await upload_begun(server, before)
        await wire.send(body[-behind:])
        answer = await wire.receive()
    assert answer.status == 200


async def test_a_sender_that_resets_in_the_middle_leaves_nothing(server):
    before, seen = server.stored_files(), len(server.lines())
    head, body = upload(jpeg(900, 700, seed=51))
    async with connected(server.port) as wire:
        await wire.send(head, body[: len(body) // 2])
        await upload_begun(server, before)
        wire.reset()
        await server.logged(lambda line: line["event"] == "ingest.aborted", since=seen)
    assert server.stored_files() == before
    assert [line for line in server.lines()[seen:] if line["level"] in ("warning", "error")] == []


async def upload_begun(server, before):
    """Something of the upload is in the store: so what was sent so far has been read."""
    await until(lambda: server.stored_files() != before)
