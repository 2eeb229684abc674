import asyncio
from typing import Any

import pytest
from litestar import Request, post

from photochanger.core.errors import Problem
from photochanger.core.limits import BODY_BYTES, JSON_DEPTH
from photochanger.web.body import read_chunks, read_form, read_json
from tests.support.web import client_of, kit_app, serving_app
from tests.support.wire import connected, request_head

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@post("/json")
async def echo(request: Request[Any, Any, Any]) -> dict[str, Any]:
    return {"got": await read_json(request)}


@post("/form")
async def echo_form(request: Request[Any, Any, Any]) -> dict[str, str]:
    return await read_form(request)


async def send(content, headers=JSON, path="/json"):
    async with client_of(kit_app(echo, echo_form)) as client:
        return await client.post(path, content=content, headers=headers)


async def test_a_document_is_read():
    answer = await send('{"a": [1, "é", null, 1.5, true], "b": {}}'.encode())
    assert answer.json() == {"got": {"a": [1, "é", None, 1.5, True], "b": {}}}


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"', "application/json;"]
)
async def test_utf_8_may_be_named(kind):
    assert (await send(b"1", {"Content-Type": kind})).status_code == 201


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/json; charset=latin-1",
        "application/json; charset=punycode",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "",
    ],
)
async def test_another_content_type_is_refused(kind):
    answer = await send(b"1", {"Content-Type": kind})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")


@pytest.mark.parametrize("path", ["/json", "/form"])
async def test_multipart_is_refused_before_its_bytes_are_asked_for(path):
    asked = []

    async def receive():
        asked.append(1)
        return {"type": "http.request", "body": b"", "more_body": False}

    reader = read_json if path == "/json" else read_form
    scope: Any = {"type": "http", "headers": [(b"content-type", b"multipart/form-data; boundary=x")], "state": {}}
    with pytest.raises(Problem) as refused:
        await reader(Request(scope, receive))
    assert refused.value.code == "unsupported-media-type"
    assert not asked


async def test_a_compressed_body_is_refused():
    assert (await send(b"1", JSON | {"Content-Encoding": "gzip"})).status_code == 415
    assert (await send(b"1", JSON | {"Content-Encoding": "identity"})).status_code == 201


async def test_a_body_that_grows_too_large_is_refused():
    async def endless():
        while True:
            yield b" " * 1024

    async def limited():
        count = 0
        async for chunk in endless():
            count += 1
            assert count <= BODY_BYTES / 1024 + 2, "read on after the limit"
            yield chunk

    answer = await send(limited())
    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")
    assert answer.json()["limit_bytes"] == BODY_BYTES


async def test_a_body_of_exactly_the_limit_is_read():
    assert (await send(b'"' + b"a" * (BODY_BYTES - 2) + b'"')).status_code == 201


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[1]x",
        b"\xff",
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"\\ud800"',
        b'"\\ud800abcdefgh"',
        b'{"a\\u0000": 1}',
        b'["a\\u0000"]',
        b"NaN",
        b"[Infinity]",
        b"1e999",
        b"18446744073709551615",
        b"-9223372036854775809",
        b'{"a": [123456789012345678901234567890]}',
        b"[" * 30_000,
        b"[" * (JSON_DEPTH + 1) + b"]" * (JSON_DEPTH + 1),
        b'{"a":' * (JSON_DEPTH + 1) + b"1" + b"}" * (JSON_DEPTH + 1),
        b'"' + b'\\"' * 30_000,
        "\ufeff{}".encode(),
        "{}".encode("utf-16"),
    ],
)
async def test_what_is_not_sound_json_is_malformed(content):
    answer = await send(content)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-json")


async def test_depth_counts_brackets_and_not_text():
    deep = b"[" * JSON_DEPTH + b"]" * JSON_DEPTH
    assert (await send(deep)).status_code == 201
    assert (await send(b'["' + b"[" * 500 + b'\\"[[", "{{{{"]')).status_code == 201


async def test_the_largest_numbers_are_kept_exactly():
    answer = await send(b"[9223372036854775807, -9223372036854775808]")
    assert answer.json() == {"got": [2**63 - 1, -(2**63)]}


async def test_a_form_is_read_and_the_last_of_a_name_counts():
    answer = await send(b"name=J%C3%BCrgen+X&on=0&on=1&empty=", FORM, "/form")
    assert answer.json() == {"name": "Jürgen X", "on": "1", "empty": ""}


@pytest.mark.parametrize("content", [b"a=%ff", b"a=\xff", b"a=%00", b"&".join(b"a=1" for _ in range(500))])
async def test_a_form_that_cannot_be_kept_is_refused(content):
    answer = await send(content, FORM, "/form")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad-request")


async def test_a_form_over_the_limit_is_refused():
    assert (await send(b"a=" + b"x" * BODY_BYTES, FORM, "/form")).status_code == 413


async def test_a_client_that_leaves_in_the_middle_is_no_crash_of_ours():
    statuses = []
    messages = iter([{"type": "http.request", "body": b"[1", "more_body": True}, {"type": "http.disconnect"}])

    async def receive():
        return next(messages)

    async def collect(message):
        statuses.append(message.get("status"))

    scope: Any = {
        "type": "http",
        "method": "POST",
        "path": "/json",
        "query_string": b"",
        "scheme": "http",
        "client": ("127.0.0.1", 1),
        "headers": [(b"content-type", b"application/json"), (b"content-length", b"10")],
    }
    app = kit_app(echo)
    async with app.lifespan():
        await app(scope, receive, collect)
    assert statuses[0] == 400


@post("/count", status_code=200)
async def count(request: Request[Any, Any, Any]) -> dict[str, object]:
    return {"size": sum([len(chunk) async for chunk in read_chunks(request)])}


@post("/slow", status_code=200)
async def slow(request: Request[Any, Any, Any]) -> dict[str, object]:
    size = 0
    async for chunk in read_chunks(request):
        await asyncio.sleep(0.1)
        size += len(chunk)
    return {"size": size}


@pytest.fixture
async def port(monkeypatch):
    """Where twenty seconds are a fifth of one, and 16 KiB a second are 500 bytes in that time."""
    monkeypatch.setattr("photochanger.web.body._PERIOD_SECONDS", 0.2)
    monkeypatch.setattr("photochanger.web.body._PERIOD_BYTES", 500)
    monkeypatch.setattr("photochanger.web.early_answer._DRAIN_SECONDS", 0.05)
    async with serving_app(kit_app(count, slow, echo)) as port:
        yield port


def begin(path="/count", size=100_000):
    return request_head(path, ["Content-Type: application/json", f"Content-Length: {size}"])


@pytest.mark.parametrize("path", ["/count", "/json"])
@pytest.mark.parametrize("rest", [b"", b"[" * 400])
async def test_a_sender_that_falls_silent_is_let_go(port, monkeypatch, path, rest):
    monkeypatch.setattr("photochanger.web.body._SILENCE_SECONDS", 0.3)
    async with connected(port) as wire:
        await wire.send(begin(path, 1000), rest)
        answer = await wire.receive()
        assert await wire.is_closed_by_server()
    assert answer.status == 408
    assert b'"upload-too-slow"' in answer.body


async def test_a_sender_that_drips_is_let_go_though_it_never_falls_silent(port):
    async with connected(port) as wire:
        await wire.send(begin(), b"x" * 5000)
        answer = asyncio.create_task(wire.receive())
        while not answer.done():
            await wire.send(b"x")
            await asyncio.wait({answer}, timeout=0.05)
    assert (await answer).status == 408


async def test_a_sender_that_is_fast_enough_may_take_its_time(port):
    async with connected(port) as wire:
        await wire.send(begin(size=20 * 600))
        for _ in range(20):
            await wire.send(b"x" * 600)
            await asyncio.sleep(0.05)
        answer = await wire.receive()
    assert (answer.status, answer.body) == (200, b'{"size":12000}')


async def test_time_that_the_server_takes_is_not_the_senders(port):
    """Four times the time that a sender gets for so little."""

    async def drops():
        for _ in range(8):
            yield b"x"

    async with client_of(kit_app(slow)) as client:
        answer = await client.post("/slow", content=drops())
    assert answer.json() == {"size": 8}
