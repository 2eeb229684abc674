"""The simulated booth sends what was captured, and prints what a booth prints."""

import asyncio

import pytest

from photochanger.booth.capture import TEXTS, booth_request
from photochanger.booth.simulator import Answer, Booth, NoPhoto
from photochanger.core.clock import SystemClock

CAPTURED_HEAD = (
    b"POST /api/ingest/slot-001?session=42 HTTP/1.1\r\n"
    b"host: 192.168.1.5:8000\r\n"
    b"content-type: multipart/form-data; boundary=------------090306000104030805010400\r\n"
    b"content-length: %d\r\n"
    b"expect: 100-continue\r\n"
    b"\r\n"
)
CAPTURED_NAMES = [
    *(b"time", b"user_id", b"id", b"profile", b"status", b"hash", b"name", b"model", b"version", b"password"),
    b"fileToUpload",
]


@pytest.fixture
def booth(tmp_path):
    def at(url="http://127.0.0.1:8000", timeout=30.0):
        return Booth(
            url=url,
            slot="slot-001",
            password="123456",
            texts={},
            timeout=timeout,
            paper=tmp_path / "paper",
            clock=SystemClock(),
        )

    (tmp_path / "paper").mkdir()
    return at


def test_the_request_is_the_captured_one():
    head, body = booth_request(
        b"\xff\xd8photo",
        path="/api/ingest/slot-001?session=42",
        host="192.168.1.5:8000",
        texts={**TEXTS, "password": "123456"},
    )
    assert head == CAPTURED_HEAD % len(body)
    parts = body.split(b"--------------090306000104030805010400")
    assert [part.partition(b'name="')[2].partition(b'"')[0] for part in parts[1:-1]] == CAPTURED_NAMES
    assert parts[1] == b'\r\nContent-Disposition: form-data; name="time"\r\n\r\n1758217512\r\n'
    assert parts[-2] == (
        b'\r\nContent-Disposition: form-data; name="fileToUpload"; filename="IMG_0003.JPG"\r\n'
        b"Content-Type: image/jpeg\r\n\r\n\xff\xd8photo\r\n"
    )
    assert parts[-1] == b"--\r\n"


async def test_every_byte_of_an_image_comes_out_of_a_multipart_answer(booth):
    image = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20 + b"\n--BB\n\r\r\n"
    body = (
        b'--BBB\r\nContent-Type: application/json\r\nContent-Disposition: inline; name="metadata"\r\n\r\n{"a": 1}\r\n'
        b'--BBB\r\nContent-Type: image/png\r\nContent-Disposition: inline; name="image"\r\n\r\n' + image + b"\r\n"
        b"--BBB--\r\n"
    )
    answer = Answer(status=200, headers={"content-type": "multipart/mixed; boundary=BBB"}, body=body)
    assert await booth()._picture(answer) == image


async def test_json_without_a_result_is_no_photo(booth):
    with pytest.raises(NoPhoto, match="names no result"):
        await booth()._picture(Answer(status=200, headers={"content-type": "application/json"}, body=b"{}"))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (None, "no answer within the booth's 0.2 s"),
        (b"", "the connection was closed without an answer"),
        (b"nonsense\r\n\r\n", "Expected HTTP/"),
        (
            b'HTTP/1.1 504 X\r\nContent-Length: 44\r\n\r\n{"code":"provider-timeout","detail":"Again"}',
            "504 provider-timeout: Again",
        ),
    ],
    ids=["hang", "closed", "nonsense", "problem"],
)
async def test_without_a_photo_the_original_is_printed(booth, tmp_path, answer, says):
    hanging = asyncio.Event()

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        if answer is None:
            await hanging.wait()
        writer.write(answer or b"")
        writer.close()

    shot = tmp_path / "shot.jpg"
    shot.write_bytes(b"the original")
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        simulated = booth(f"http://127.0.0.1:{port}", timeout=0.2 if answer is None else 30)
        sheets = [sheet async for sheet in simulated.shoot([shot], session=7, every=0)]
        hanging.set()
    [sheet] = sheets
    assert (sheet.file, sheet.is_photo) == ("007-01-original.jpg", False)
    assert sheet.says.startswith(says)
    assert (tmp_path / "paper" / sheet.file).read_bytes() == b"the original"
