"""What may come over a connection, on a real server and raw sockets: status lines are all there is to see."""

import asyncio
import contextlib
from typing import Any

import pytest
from litestar import Request, get, post

from photochanger.web.context import context_of
from photochanger.web.guard import FIELDS, HEAD_BYTES, REQUEST_LINE_BYTES, Guard
from tests.support.clock import FakeClock
from tests.support.web import kit_app, serving_app
from tests.support.wire import connected

GET = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /count HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
REFUSED = b"connection: close\r\ncontent-length: 0\r\n\r\n"
clock = FakeClock()


class Impatient(Guard):
    first_byte_seconds = 0.3


class Hasty(Guard):
    head_seconds = 0.4


@get("/hello", sync_to_thread=False)
def hello() -> dict[str, bool]:
    return {"hello": True}


@get("/slow")
async def slow() -> dict[str, bool]:
    await asyncio.sleep(1)
    return {"slow": True}


@get("/age", sync_to_thread=False)
def age(request: Request[Any, Any, Any]) -> dict[str, float]:
    return {"age": clock.monotonic() - context_of(request.scope).started}


@post("/count", status_code=200)
async def count(request: Request[Any, Any, Any]) -> dict[str, object]:
    size = 0
    while True:
        message = await request.receive()
        if message["type"] != "http.request":
            return {"size": size, "is_whole": False}
        size += len(message["body"])
        if not message["more_body"]:
            return {"size": size, "is_whole": True}


@pytest.fixture(scope="module")
async def port():
    async with serving_app(kit_app(hello, slow, age, count, clock=clock)) as port:
        yield port


async def ask(port, request, *, bytewise=False):
    """(status, body); the body is None where the connection is still open behind it."""
    async with connected(port) as wire:
        await (wire.send_bytewise(request) if bytewise else wire.send(request))
        answer = await wire.receive()
        is_closed = answer.headers.get("connection") == "close"
        assert not is_closed or await wire.is_closed_by_server()
        return answer.status, answer.body, is_closed


async def refusal(port, request, *, bytewise=False):
    """The status of a bare refusal that ends the connection."""
    async with connected(port) as wire:
        with contextlib.suppress(ConnectionError):
            await (wire.send_bytewise(request) if bytewise else wire.send(request))
        answer = await wire.receive()
        assert await wire.is_closed_by_server()
    assert (answer.headers, answer.body) == ({"connection": "close", "content-length": "0"}, b"")
    return answer.status


ODD = {
    "length-and-chunks": POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "chunks-and-length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
    "two-lengths": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    "two-equal-lengths": POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "list-of-lengths": POST + b"Content-Length: 3, 3\r\n\r\nabc",
    "negative-length": POST + b"Content-Length: -1\r\n\r\n",
    "signed-length": POST + b"Content-Length: +3\r\n\r\nabc",
    "worded-length": POST + b"Content-Length: 3abc\r\n\r\nabc",
    "huge-length": POST + b"Content-Length: 99999999999999999999999\r\n\r\nabc",
    "unknown-coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "two-codings": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "two-coding-headers": POST + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks-in-1.0": CHUNKED.replace(b"/1.1", b"/1.0") + b"3\r\nabc\r\n0\r\n\r\n",
    "chunk-extension": CHUNKED + b"3;a=b\r\nabc\r\n0\r\n\r\n",
    "last-chunk-extension": CHUNKED + b"3\r\nabc\r\n0;a\r\n\r\n",
    "long-chunk-extension": CHUNKED + b"3;" + b"a" * 100_000 + b"\r\nabc\r\n0\r\n\r\n",
    "chunk-size-with-zeros": CHUNKED + b"0" * 5000 + b"3\r\nabc\r\n0\r\n\r\n",
    "chunk-size-overflow": CHUNKED + b"f" * 17 + b"\r\nabc\r\n",
    "chunk-size-with-sign": CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n",
    "chunk-size-with-prefix": CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
    "chunk-size-underscore": CHUNKED + b"0_3\r\nabc\r\n0\r\n\r\n",
    "chunk-size-missing": CHUNKED + b"\r\nabc\r\n0\r\n\r\n",
    "chunk-with-bare-lf": CHUNKED + b"3\nabc\r\n0\r\n\r\n",
    "chunk-longer-than-said": CHUNKED + b"3\r\nabcdef\r\n0\r\n\r\n",
    "trailer": CHUNKED + b"3\r\nabc\r\n0\r\nX-Slot-Password: x\r\n\r\n",
    "folded-header": GET + b"X: a\r\n b\r\n\r\n",
    "space-before-colon": GET + b"X : a\r\n\r\n",
    "header-without-colon": GET + b"X\r\n\r\n",
    "nul-in-header": GET + b"X: a\0b\r\n\r\n",
    "bare-cr-in-header": GET + b"X: a\rY: b\r\n\r\n",
    "bare-lf": b"GET /hello HTTP/1.1\nHost: localhost\n\n",
    "bare-lf-in-header": GET + b"X: a\nY: b\r\n\r\n",
    "bare-lf-in-front": b"\n\n" + GET + b"\r\n",
    "http-0.9": b"GET /hello\r\n",
    "http-2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "http-2-version": GET.replace(b"/1.1", b"/2.0") + b"\r\n",
    "http-1.2": GET.replace(b"/1.1", b"/1.2") + b"\r\n",
    "rtsp": GET.replace(b"HTTP/1.1", b"RTSP/1.0") + b"\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32),
    "connect": b"CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "unknown-method": b"FOO /hello HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "lower-case-method": b"get /hello HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "two-spaces": b"GET  /hello HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "control-in-address": b"GET /\x01 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "many-blank-lines": b"\r\n" * 3 + GET + b"\r\n",
}


@pytest.mark.parametrize("name", ODD)
async def test_what_two_servers_may_read_differently_is_refused(port, name):
    assert await refusal(port, ODD[name]) == 400


@pytest.mark.parametrize("name", [name for name, request in ODD.items() if len(request) < 1000])
async def test_the_same_in_segments_of_one_byte(port, name):
    assert await refusal(port, ODD[name], bytewise=True) == 400


SOUND = {
    "blank-lines": b"\r\n\r\n" + POST + b"Content-Length: 3\r\n\r\nabc",
    "length": POST + b"Content-Length: 3\r\n\r\nabc",
    "chunks": CHUNKED + b"2\r\nab\r\n01\r\nc\r\n0\r\n\r\n",
    "capitals": POST + b"transfer-encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "upgrade": POST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc",
    "1.0": POST.replace(b"/1.1", b"/1.0") + b"Content-Length: 3\r\n\r\nabc",
}


@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "bytewise"])
@pytest.mark.parametrize("name", SOUND)
async def test_what_is_sound_is_read_whole_and_keeps_its_connection(port, name, bytewise):
    status, body, is_closed = await ask(port, SOUND[name], bytewise=bytewise)
    assert (status, body) == (200, b'{"size":3,"is_whole":true}')
    assert is_closed == (name == "1.0")


async def test_requests_behind_each_other_are_each_answered_and_each_guarded(port):
    async with connected(port) as wire:
        await wire.send(SOUND["chunks"] + SOUND["length"] + GET + b"\r\n" + SOUND["upgrade"] + ODD["folded-header"])
        answers = [await wire.receive() for _ in range(4)]
        assert await wire.is_closed_by_server()
    sizes = b'{"size":3,"is_whole":true}'
    assert [answer.body for answer in answers] == [sizes, sizes, b'{"hello":true}', sizes]


@pytest.mark.parametrize(
    ("request_line", "fields", "status"),
    [
        (b"/" + b"a" * REQUEST_LINE_BYTES, [], 414),
        (b"/" + b"a" * 100_000, [], 414),
        (b"/hello", [b"X: " + b"a" * HEAD_BYTES], 431),
        (b"/hello", [b"X: " + b"a" * 1_000_000], 431),
        (b"/hello", [b"X: a"] * FIELDS, 431),
        (b"/hello", [b"X: a"] * 200_000, 431),
        (b"/hello?" + b"a" * (REQUEST_LINE_BYTES - 21), [], 200),
        (b"/hello", [b"X: " + b"a" * (HEAD_BYTES - 100)], 200),
        (b"/hello", [b"X: a"] * (FIELDS - 1), 200),
    ],
)
async def test_a_head_has_its_bounds(port, request_line, fields, status):
    head = b"\r\n".join([b"GET " + request_line + b" HTTP/1.1", b"Host: localhost", *fields, b"", b""])
    if status == 200:
        assert (await ask(port, head))[0] == 200
    else:
        assert await refusal(port, head) == status


async def test_who_says_nothing_is_let_go_without_a_word():
    async with serving_app(kit_app(hello), Impatient) as port, contextlib.AsyncExitStack() as stack:
        silent = [await stack.enter_async_context(connected(port)) for _ in range(50)]
        assert all([await wire.is_closed_by_server() for wire in silent])


@pytest.mark.parametrize("drop", [b"", b"X", b"\r\n"])
async def test_half_a_head_is_let_go_even_when_it_drips(drop):
    async with serving_app(kit_app(hello), Hasty) as port, connected(port) as wire:
        await wire.send(b"\r\n" if drop == b"\r\n" else GET)
        answer = asyncio.create_task(wire.receive())
        while not answer.done():
            await asyncio.wait({answer}, timeout=0.3)
            with contextlib.suppress(ConnectionError):
                await wire.send(drop)
        assert (await answer).status in {400, 408}
        assert await wire.is_closed_by_server()


async def test_half_a_head_behind_a_request_waits_for_its_answer():
    async with serving_app(kit_app(hello, slow), Hasty) as port, connected(port) as wire:
        await wire.send(GET.replace(b"/hello", b"/slow") + b"\r\n" + GET)
        assert (await wire.receive()).body == b'{"slow":true}'
        assert (await wire.receive()).status == 408


async def test_a_line_end_behind_a_body_begins_no_request():
    async with serving_app(kit_app(count), Hasty) as port, connected(port) as wire:
        for pause in (2 * Hasty.head_seconds, 0):
            await wire.send(POST + b"Content-Length: 3\r\n\r\nabc")
            assert (await wire.receive()).status == 200
            await wire.send_bytewise(b"\r\n")
            await asyncio.sleep(pause)


async def test_garbage_behind_a_request_does_not_take_its_answer(port):
    async with connected(port) as wire:
        await wire.send(GET.replace(b"/hello", b"/slow") + b"\r\n\x16\x03\x01")
        assert (await wire.receive()).body == b'{"slow":true}'
        assert await wire.is_closed_by_server()


async def test_a_broken_chunk_ends_the_request_that_is_reading_it(port):
    async with connected(port) as wire:
        await wire.send(CHUNKED + b"3\r\nabc\r\n")
        await wire.send(b"3;x\r\nabc\r\n")
        assert (await wire.receive()).status == 400
        assert await wire.is_closed_by_server()


async def test_a_request_is_as_old_as_its_first_byte(port):
    async with connected(port) as wire:
        for pause in (0.3, 0.0):
            await wire.send(b"GE")
            await asyncio.sleep(pause)
            await wire.send(b"T /age HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = await wire.receive()
            age = float(answer.body.split(b":")[1].rstrip(b"}"))
            assert pause <= age < pause + 30
