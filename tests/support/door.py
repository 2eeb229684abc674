"""A running server as a stranger with a socket meets it: raw bytes go in, and what they left behind is looked at."""

import contextlib
import itertools
import json
from typing import Any, NamedTuple

from tests.support.canary import leaks
from tests.support.multipart import Part, encode, text
from tests.support.product import ADMIN_PASSWORD, SLOT_PASSWORD
from tests.support.server import Server, until
from tests.support.wire import Answer, connected

SLOT, OTHER_SLOT, SMALL_SLOT, CLOSED_SLOT = "slot-091", "slot-092", "slot-093", "slot-094"
"""Made for these tests: two plain ones, one that takes a mebibyte, one that is switched off."""
INGEST = f"/api/ingest/{SLOT}"


class Case(NamedTuple):
    """What is sent, and what is answered: with a code it is a problem document."""

    request: bytes
    status: int
    code: str | None = None


class Door:
    def __init__(self, server: Server) -> None:
        self.server = server
        self.admin: list[str] = []
        """The header of an administrator."""
        self.size = 0
        """Of the log, as far as it was looked at."""
        self._addresses = (f"127.1.{number // 250}.{number % 250 + 1}" for number in itertools.count())

    def stranger(self) -> str:
        """An address that nobody came from yet: wrong passwords are counted for each."""
        return next(self._addresses)

    async def open(self) -> None:
        made = await self.server.run(
            *("accounts", "create", "boss", "--role", "admin", "--password-stdin"), stdin=ADMIN_PASSWORD.encode()
        )
        assert made.code == 0, made.err
        login = await self.ask("POST", "/api/login", body={"username": "boss", "password": ADMIN_PASSWORD})
        token = json.loads(login.body)["access_token"]
        self.server.secrets.add(token)
        self.admin = [f"Authorization: Bearer {token}"]
        settings = json.loads((await self.ask("GET", "/api/settings", *self.admin)).body)
        changed = {"version": settings["version"], "max_slots": 20}
        assert (await self.ask("PUT", "/api/settings", *self.admin, body=changed)).status == 200
        for slot, members in (
            (SLOT, {}),
            (OTHER_SLOT, {}),
            (SMALL_SLOT, {"upload_limit_mb": 1}),
            (CLOSED_SLOT, {"enabled": False}),
        ):
            wanted = {"slot_id": slot, "name": slot, "password": SLOT_PASSWORD, **members}
            answer = await self.ask("POST", "/api/slots", *self.admin, body=wanted)
            assert answer.status == 201, answer.body

    async def send(self, *pieces: bytes, address: str | None = None) -> Answer:
        """The answer to the first request in `pieces`, however much of them the server took."""
        is_bodiless = pieces[0].startswith(b"HEAD ") or b"\r\nIf-None-Match:" in pieces[0]
        async with connected(self.server.port, address or self.stranger()) as wire:
            with contextlib.suppress(ConnectionError):
                await wire.send(*pieces)
            return await wire.receive(is_bodiless=is_bodiless)

    async def ask(self, method: str, path: str, *headers: str, body: object = None, **options: Any) -> Answer:
        return await self.send(request(method, path, *headers, body=body), **options)

    def stored(self) -> set[str]:
        return set(self.server.stored_files())

    def jobs(self) -> dict[str, str]:
        """Their statuses."""
        return dict(self.server.query("SELECT hex(id), status FROM jobs"))

    def said(self) -> str:
        """The log behind what was looked at."""
        return self.server.log.read_bytes()[self.size :].decode()

    async def check(self, case: Case) -> Answer:
        answer = await self.send(case.request)
        assert answer.status == case.status, answer
        if case.code:
            assert answer.headers["content-type"] == "application/problem+json"
            assert json.loads(answer.body)["code"] == case.code
        return answer

    async def check_upload(self, case: Case) -> Answer:
        """A refusal leaves at most a job that says so."""
        files, jobs = self.stored(), self.jobs()
        answer = await self.check(case)
        if answer.status != 200:
            await until(lambda: self.stored() == files, seconds=60)
            assert {status for job, status in self.jobs().items() if job not in jobs} <= {"rejected"}
        return answer

    async def left_in_order(self) -> None:
        """No open upload, no object without a row, no row without its object, no job that is not over, and a log
        without an error or a secret.
        """
        await until(self._is_in_order, seconds=60)
        text = self.said()
        self.size += len(text.encode())
        assert leaks(text, self.server.secrets) == []
        assert "Traceback" not in text
        assert [line for line in text.splitlines() if json.loads(line)["level"] in ("error", "critical")] == []

    def _is_in_order(self) -> bool:
        known = {key for (key,) in self.server.query("SELECT object_key FROM media WHERE evicted_at IS NULL")}
        return self.stored() == known and "processing" not in self.jobs().values()


def request(method: str, path: str, *headers: str, body: object = None, host: str = "127.0.0.1") -> bytes:
    """`body` goes out as it is where it is bytes, else as JSON."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *headers]
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    named = {line.partition(":")[0].lower() for line in headers}
    if body is not None and "content-length" not in named:
        lines.append(f"Content-Length: {len(content)}")
    if not isinstance(body, bytes) and body is not None and "content-type" not in named:
        lines.append("Content-Type: application/json")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + content


def upload(
    *parts: Part, password: str | None = SLOT_PASSWORD, headers: tuple[str, ...] = (), path: str = INGEST
) -> bytes:
    """A whole request with these parts behind the password."""
    texts = [] if password is None else [text("password", password)]
    content_type, body = encode([*texts, *parts])
    return request("POST", path, f"Content-Type: {content_type}", *headers, body=body)
