"""What is tried again and what is not, against a server that says what a test tells it to."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from photochanger.booth.door import Door, Later, Mistaken, Refused, key_of, visiting
from photochanger.booth.send import Row, send_files, table
from photochanger.core.clock import SystemClock
from tests.support.ports import free_port

PHOTO = b"a photo"
DELIVERED = (
    "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nX-Job-Id: 0193-abcdef12\r\nX-Outcome: transformed\r\n"
    "X-Result-Url: http://x/1\r\nContent-Length: 6\r\nConnection: close\r\n\r\nresult"
)
LOST = ""
"""The connection ends without an answer."""


def problem(status, code, *headers):
    body = f'{{"code": "{code}", "detail": "Why."}}'
    lines = [f"HTTP/1.1 {status} X", "Connection: close", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", body])


@asynccontextmanager
async def answering(*answers):
    """A door to a server that gives these, one a request, and the requests it got."""
    left, requests = list(answers), []

    async def answer(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        while not requests_end(head):
            head += await reader.read(65_536)
        requests.append(head.decode())
        writer.write(left.pop(0).encode())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, visiting() as session:
        port = server.sockets[0].getsockname()[1]
        yield Door(session, url=f"http://127.0.0.1:{port}/", slot="slot-001", password="pass-wörd"), requests


def requests_end(data):
    return data.endswith(b"--\r\n")


async def sent(door, folder, *, patience=60.0):
    file = folder / "one.jpg"
    file.write_bytes(PHOTO)
    return [row async for row in send_files([file], door, folder, clock=SystemClock(), patience=patience, again=False)]


@pytest.mark.parametrize(
    "first",
    [
        LOST,
        problem(429, "slot-busy", "Retry-After: 1"),
        problem(503, "storage-unavailable", "Retry-After: 0"),
        problem(408, "upload-timeout"),
        "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 5\r\nConnection: close\r\n\r\nnginx",
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhotel",
    ],
    ids=["lost", "busy", "store", "slow", "proxy", "hotel"],
)
async def test_what_passes_is_tried_again_under_the_same_key(tmp_path, first):
    async with answering(first, DELIVERED) as (door, requests):
        [row] = await sent(door, tmp_path)
    assert (row.outcome, row.is_well) == ("transformed", True)
    assert (tmp_path / "one-abcdef12.jpg").read_bytes() == b"result"
    assert [f"Idempotency-Key: {key_of(PHOTO)}\r\n" in request for request in requests] == [True, True]
    assert requests[0].index('name="password"') < requests[0].index('name="fileToUpload"')


@pytest.mark.parametrize(
    ("status", "code"), [(502, "provider-failed"), (504, "provider-timeout"), (422, "image-unreadable")]
)
async def test_what_may_have_been_paid_or_cannot_change_is_not_tried_again(tmp_path, status, code):
    async with answering(problem(status, code)) as (door, requests):
        [row] = await sent(door, tmp_path)
    assert (row.outcome, row.result, row.is_well) == (f"{status} {code}", "Why.", False)
    assert len(requests) == 1


async def test_a_wait_is_kept_and_one_that_is_too_long_is_not_begun(tmp_path):
    async with answering(problem(429, "rate-limited", "Retry-After: 3000")) as (door, requests):
        with pytest.raises(Later) as later:
            await door.send(PHOTO, key="1")
    assert later.value.wait_seconds == 3000
    async with answering(problem(429, "rate-limited", "Retry-After: 3000")) as (door, requests):
        [row] = await sent(door, tmp_path)
    assert (row.outcome, len(requests)) == ("429 rate-limited", 1)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (problem(401, "slot-credentials-invalid"), "The password of slot-001 is wrong."),
        (problem(404, "slot-not-found"), "slot-not-found: Why."),
        (problem(404, "slot-disabled"), "slot-disabled: Why."),
        (problem(301, "x", "Location: https://there/"), "The server sends on to https://there/: use that address."),
    ],
    ids=["password", "slot", "disabled", "moved"],
)
async def test_what_concerns_every_photo_is_said_plainly(answer, says):
    async with answering(answer) as (door, _):
        with pytest.raises(Mistaken) as mistaken:
            await door.send(PHOTO, key="1")
    assert str(mistaken.value) == says


async def test_a_refusal_names_its_code():
    async with answering(problem(413, "upload-too-large")) as (door, _):
        with pytest.raises(Refused, match="413 upload-too-large: Why"):
            await door.send(PHOTO, key="1")


async def test_an_address_where_nobody_listens_is_worth_another_try():
    port = free_port()
    async with visiting() as session:
        with pytest.raises(Later, match=f"127.0.0.1:{port} cannot be reached"):
            await Door(session, url=f"http://127.0.0.1:{port}", slot="slot-001", password="x").send(PHOTO, key="1")


def test_the_table_stands_in_columns():
    rows = [
        Row(name="one.jpg", outcome="transformed", seconds=1.25, result="out/one.jpg", is_well=True),
        Row(name="a long name.jpg", outcome="415 unsupported-image", seconds=12.3, result="", is_well=False),
    ]
    assert table(rows) == [
        "FILE             OUTCOME                SECONDS  RESULT",
        "one.jpg          transformed                1.2  out/one.jpg",
        "a long name.jpg  415 unsupported-image     12.3",
    ]


def test_the_table_can_be_shown_whatever_a_file_is_called():
    row = Row(name="f\udcfcr.jpg", outcome="transformed", seconds=1, result="out/f\udcfcr.jpg", is_well=True)
    assert "f?r.jpg" in table([row])[1].encode().decode()
