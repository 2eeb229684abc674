"""Requests that are broken, odd or hostile in their head or framing."""

import asyncio
import json

import pytest

from tests.support.door import INGEST, SLOT, Case, request, upload
from tests.support.multipart import encode, file, text
from tests.support.pictures import jpeg
from tests.support.product import SLOT_PASSWORD
from tests.support.server import until
from tests.support.wire import Answer, connected

PHOTO = jpeg(48, 32, seed=902)
TYPE, BODY = encode([text("password", SLOT_PASSWORD), file(PHOTO)])
HEAD = f"POST {INGEST} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {TYPE}\r\n".encode()
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
SLOTS = f"/api/slots/{SLOT}"


def lengths(*values: str) -> bytes:
    return HEAD + b"".join(f"Content-Length: {value}\r\n".encode() for value in values) + b"\r\n" + BODY


def live(*headers: str, path: str = "/livez", method: str = "GET", host: str = "127.0.0.1") -> bytes:
    return request(method, path, *headers, host=host)


BROKEN = {
    "H002": (lengths(str(len(BODY)), "3"), 400),
    "H003-negative": (lengths("-1"), 400),
    "H003-signed": (lengths("+3"), 400),
    "H003-worded": (lengths("3abc"), 400),
    "H003-huge": (lengths("9" * 23), 400),
    "H004": (HEAD + b"Transfer-Encoding: xchunked\r\n\r\n" + BODY, 400),
    "H006": (CHUNKED + b"3;" + b"a" * 100_000 + b"\r\n--B\r\n", 400),
    "H007-space": (b"GET /livez HTTP/1.1\r\nHost : x\r\n\r\n", 400),
    "H007-folded": (live("X: a\r\n b"), 400),
    "H007-nul": (live("X: a\0b"), 400),
    "H008": (HEAD.replace(b"\r\n", b"\n") + b"\n", 400),
    "H016": (live("X: " + "a" * 64 * 1024), 431),
    "H018": (live(*["X: a"] * 2000), 431),
    "H019": (live(path="/" + "a" * 100_000), 414),
    "H031-connect": (b"CONNECT host:1 HTTP/1.1\r\nHost: host:1\r\n\r\n", 400),
    "H032-http-2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "H032-tls": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32), 400),
    "H035-newline": (live("X-Request-ID: abcdefgh\r\n ijklmnop"), 400),
    "Q011": (live(path="/public/slots/slot-001?" + "&".join(f"p{number}=1" for number in range(5000))), 414),
}
ODD = {
    "H010": Case(live("Host: localhost"), 400, "invalid-host"),
    "H012": Case(live(host="good.example:8443"), 200),
    "H014": Case(live(host="shopXexample"), 200),
    "H015": Case(live(host="a/b?c#d"), 400, "invalid-host"),
    "H023": Case(live("Accept: application/xml", path="/public/slots/slot-999"), 404, "gallery-not-found"),
    "H027": Case(live("X-HTTP-Method-Override: DELETE", path=SLOTS), 401, "login-required"),
    "H031-trace": Case(live(method="TRACE"), 405, "method-not-allowed"),
    "P019-docs": Case(live(path="/docs"), 404, "not-found"),
    "P019-swagger": Case(live(path="/schema/swagger"), 404, "not-found"),
    "P019-metrics": Case(live("X-Forwarded-For: 203.0.113.7", path="/metrics"), 404, "not-found"),
    "Q011-few": Case(live(path="/public/slots/slot-001?" + "&".join(["p=1"] * 1000)), 400, "bad-request"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_head_is_refused_and_ends_the_connection(door, name):
    raw, status = BROKEN[name]
    files, jobs = door.stored(), door.jobs()
    answer = await door.send(raw)
    assert (answer.status, answer.headers["connection"], answer.body) == (status, "close", b"")
    assert (door.stored(), door.jobs()) == (files, jobs)


@pytest.mark.parametrize("name", ODD)
async def test_an_odd_head_is_answered_like_a_plain_one(door, name):
    await door.check(ODD[name])


@pytest.mark.parametrize(
    ("host", "header"),
    [("evil.example", "X: y"), ("127.0.0.1", "X-Forwarded-Host: evil.example")],
    ids=["H011", "H026"],
)
async def test_no_link_leads_where_a_stranger_says(door, host, header):
    raw = upload(file(PHOTO), headers=(header, "Accept: application/json"))
    answer = await door.check(Case(raw.replace(b"Host: 127.0.0.1", f"Host: {host}".encode()), 200))
    assert answer.headers["x-result-url"].startswith("http://127.0.0.1")
    assert b"evil" not in answer.body


async def test_h023_a_job_is_json_whatever_is_asked_for(door):
    sent = await door.check(Case(upload(file(PHOTO)), 200))
    answer = await door.ask("GET", f"/api/jobs/{sent.headers['x-job-id']}", "Accept: application/xml")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")


async def test_h024_forwarding_headers_do_not_spread_wrong_passwords(door):
    me, wrong = door.stranger(), {"username": "nobody-h024", "password": "wrong"}
    statuses = [
        (await door.ask("POST", "/api/login", f"X-Forwarded-For: 1.2.3.{n}", body=wrong, address=me)).status
        for n in range(6)
    ]
    assert statuses == [401] * 5 + [429]


async def test_h027_a_method_is_the_one_of_the_request_line(door):
    answer = await door.ask("GET", SLOTS, *door.admin, "X-HTTP-Method-Override: DELETE")
    assert answer.status == 200
    assert (await door.ask("GET", SLOTS, *door.admin)).status == 200


async def test_h028_a_line_of_the_log_stays_a_line(door):
    named = 'evil"%0d%0a{"event":"forged"}'
    assert (await door.ask("GET", "/livez", f"User-Agent: {named}")).status == 200
    lines = [json.loads(line) for line in door.said().splitlines()]
    assert [line["user_agent"] for line in lines if "user_agent" in line] == [named]
    controls = await door.ask("GET", "/livez", "User-Agent: \x1b]0;x\x07")
    assert controls.status in (200, 400)
    assert "\x1b" not in door.said()


@pytest.mark.parametrize("given", ["x" * 10_000, "short", "with space in it", "<script>alert</script>"])
async def test_h035_a_request_id_that_is_none_is_replaced(door, given):
    answer = await door.ask("GET", "/livez", f"X-Request-ID: {given}", "traceparent: garbage")
    assert answer.status == 200
    assert answer.headers["x-request-id"] != given
    assert len(answer.headers["x-request-id"]) == 32


async def test_m043_h034_who_falls_silent_holds_nobody_up_and_is_let_go(door):
    """A thousand of them are a benchmark's; what twenty-five get is the same."""
    files, jobs = door.stored(), door.jobs()
    announced = HEAD + b"Content-Length: 50000000\r\n\r\n" + BODY[:-50]
    async with asyncio.TaskGroup() as crowd:
        heads = [crowd.create_task(silent(door.server.port, live()[:-2])) for _ in range(25)]
        body = crowd.create_task(silent(door.server.port, announced))
        while not all(task.done() for task in (*heads, body)):
            assert (await door.ask("GET", "/livez")).status == 200
            await asyncio.wait((*heads, body), timeout=2)
    assert {task.result().status for task in heads} == {408}
    assert body.result().status == 408
    assert b'"upload-too-slow"' in body.result().body
    await until(lambda: door.stored() == files)
    assert door.jobs() == jobs


async def silent(port: int, sent: bytes) -> Answer:
    async with connected(port) as wire:
        await wire.send(sent)
        answer = await wire.receive()
        assert await wire.is_closed_by_server()
    return answer
