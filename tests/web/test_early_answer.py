"""On a real server and raw sockets: what is promised here, only those can break."""

import asyncio
from typing import Any

import pytest
from litestar import Request, post

from photochanger.core.errors import Problem
from photochanger.core.limits import MIB
from photochanger.web.body import read_json
from photochanger.web.early_answer import EarlyAnswerLayer
from tests.support.web import kit_app, serving_app

BODY_BYTES = 20 * MIB


@post("/refuse", sync_to_thread=False)
def refuse() -> None:
    raise Problem("upload-too-large", limit_bytes=1)


@post("/read")
async def read(request: Request[Any, Any, Any]) -> dict[str, object]:
    return {"got": await read_json(request)}


def serving():
    return serving_app(kit_app(refuse, read))


async def connect(port):
    return await asyncio.open_connection("127.0.0.1", port)


def head(path, length, *extra):
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", f"Content-Length: {length}"]
    return "\r\n".join([*lines, *extra, "", ""]).encode()


async def test_a_client_that_sends_everything_first_reads_the_whole_answer():
    async with serving() as port, asyncio.timeout(20):
        for _ in range(3):
            reader, writer = await connect(port)
            writer.write(head("/refuse", BODY_BYTES))
            for _ in range(BODY_BYTES // MIB):
                writer.write(b"x" * MIB)
                await writer.drain()
            answer = await reader.read()
            writer.close()
            assert answer.startswith(b"HTTP/1.1 413 ")
            assert b"connection: close\r\n" in answer
            assert answer.endswith(b"}")
            assert b'"upload-too-large"' in answer


async def test_the_answer_does_not_wait_for_the_body():
    async with serving() as port, asyncio.timeout(20):
        reader, writer = await connect(port)
        writer.write(head("/refuse", BODY_BYTES) + b"x" * 1000)
        answer = await reader.readuntil(b'"upload-too-large"')
        assert answer.startswith(b"HTTP/1.1 413 ")
        writer.close()


async def test_a_client_that_stops_sending_is_let_go(monkeypatch):
    monkeypatch.setattr("photochanger.web.early_answer._DRAIN_SECONDS", 0.05)
    async with serving() as port, asyncio.timeout(20):
        reader, writer = await connect(port)
        writer.write(head("/refuse", BODY_BYTES) + b"x" * 1000)
        assert (await reader.read()).endswith(b"}")
        writer.close()


async def test_a_client_that_waits_for_100_continue_is_answered_and_not_drained(monkeypatch):
    monkeypatch.setattr("photochanger.web.early_answer._DRAIN_SECONDS", 3600)
    async with serving() as port, asyncio.timeout(5):
        reader, writer = await connect(port)
        writer.write(head("/refuse", BODY_BYTES, "Expect: 100-continue"))
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in answer
    assert b"connection: close\r\n" in answer


@pytest.mark.parametrize("expect", [(), ("Expect: 100-continue",)])
async def test_a_body_that_was_read_leaves_the_connection_open(expect):
    async with serving() as port, asyncio.timeout(20):
        reader, writer = await connect(port)
        for _ in range(2):
            writer.write(head("/read", 3, *expect))
            if expect:
                assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"[7]")
            answer = await reader.readuntil(b"}")
            assert answer.startswith(b"HTTP/1.1 201 ")
            assert b"connection: close" not in answer
        writer.close()


async def test_an_answer_without_a_body_to_read_leaves_the_connection_open():
    async with serving() as port, asyncio.timeout(20):
        reader, writer = await connect(port)
        for _ in range(2):
            writer.write(b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = await reader.readuntil(b"}")
            assert answer.startswith(b"HTTP/1.1 404 ")
            assert b"connection: close" not in answer
        writer.close()


@pytest.mark.parametrize(("rest_is_here", "closes"), [(True, False), (False, True)])
async def test_a_line_end_behind_what_was_read_does_not_cost_the_connection(rest_is_here, closes):
    arrived: asyncio.Queue[Any] = asyncio.Queue()
    arrived.put_nowait({"type": "http.request", "body": b"upload", "more_body": True})
    if rest_is_here:
        arrived.put_nowait({"type": "http.request", "body": b"\r\n", "more_body": False})
    sent = []

    async def read_as_far_as_needed(scope, receive, send):
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message):
        sent.append(message)

    scope: Any = {"type": "http", "headers": [(b"content-length", b"8")]}
    await EarlyAnswerLayer(read_as_far_as_needed)(scope, arrived.get, send)
    assert ((b"connection", b"close") in sent[0]["headers"]) is closes
