"""A booth without a camera: sends what a booth sends, waits as long as a booth waits, prints what a booth prints."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from email import message_from_bytes, policy
from pathlib import Path
from urllib.parse import urlsplit

import httptools
import msgspec
from msgspec import Struct

from photochanger.booth.capture import TEXTS, booth_request
from photochanger.booth.files import free_name, write_whole
from photochanger.core.clock import Clock

_CHUNK_BYTES = 65_536
_CONTINUE, _OK = 100, 200


class Print(Struct, frozen=True, kw_only=True):
    """A sheet of paper: what is on it, and why."""

    file: str
    is_photo: bool
    says: str
    seconds: float


class NoPhoto(Exception):  # noqa: N818
    """Why the booth prints the original."""


class Answer(Struct):
    status: int = 0
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    body: bytes = b""
    is_whole: bool = False


class Booth:
    def __init__(
        self, *, url: str, slot: str, password: str, texts: Mapping[str, str], timeout: float, paper: Path, clock: Clock
    ) -> None:
        self._url = urlsplit(url)
        self._slot = slot
        self._texts = texts
        self._password = password
        self._timeout = timeout
        self._paper = paper
        self._clock = clock

    async def shoot(self, photos: Sequence[Path], *, session: int, every: float) -> AsyncIterator[Print]:
        """One session; a shot waits for no answer to the one before."""
        tasks = []
        for number, photo in enumerate(photos, start=1):
            if number > 1:
                await asyncio.sleep(every)
            tasks.append(asyncio.create_task(self._print(photo, session, number)))
        for task in tasks:
            yield await task

    async def _print(self, photo: Path, session: int, number: int) -> Print:
        original = await asyncio.to_thread(photo.read_bytes)
        started = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._post(original, photo, session, number)
                sheet, says = await self._picture(answer), f"{answer.headers.get('x-outcome')}, {_dialect(answer)}"
                is_photo = True
        except TimeoutError:
            sheet, says, is_photo = original, f"no answer within the booth's {self._timeout:g} s", False
        except (NoPhoto, OSError, httptools.HttpParserError) as reason:
            sheet, says, is_photo = original, str(reason) or "the connection broke", False
        kind, suffix = ("photo", _suffix(sheet)) if is_photo else ("original", photo.suffix)
        name = free_name(self._paper, f"{session:03}-{number:02}-{kind}{suffix}")
        write_whole(self._paper / name, sheet)
        return Print(file=name, is_photo=is_photo, says=says, seconds=self._clock.monotonic() - started)

    async def _post(self, original: bytes, photo: Path, session: int, number: int) -> Answer:
        own = {
            "time": str(int(self._clock.now().timestamp())),
            "id": f"CY04N068111304S2L_{number:08}.",
            "hash": secrets.token_hex(20),
        }
        is_png = photo.suffix.lower() == ".png"
        head, body = booth_request(
            original,
            path=f"{self._url.path.rstrip('/')}/api/ingest/{self._slot}?session={session}",
            host=self._url.netloc,
            texts={**TEXTS, **own, **self._texts, "password": self._password},
            filename=f"IMG_{number:04}.{'PNG' if is_png else 'JPG'}",
            media_type="image/png" if is_png else "image/jpeg",
        )
        return await self._exchange(head, body)

    async def _exchange(self, head: bytes, body: bytes = b"") -> Answer:
        """One connection, one request; the body follows when the server asks for it."""
        is_tls = self._url.scheme == "https"
        port = self._url.port or (443 if is_tls else 80)
        reader, writer = await asyncio.open_connection(self._url.hostname, port, ssl=is_tls or None)
        try:
            received = _Receiver(reader)
            writer.write(head)
            answer = await received.answer()
            if answer.status == _CONTINUE:
                writer.write(body)
                answer = await received.answer()
            return answer
        finally:
            writer.close()

    async def _picture(self, answer: Answer) -> bytes:
        """Out of any dialect; in JSON it is a link, which is followed."""
        if answer.status != _OK:
            raise NoPhoto(f"{answer.status} {_member(answer.body, 'code')}: {_member(answer.body, 'detail')}")
        match _dialect(answer):
            case "image":
                return answer.body
            case "breeze_multipart":
                head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
                parts = message_from_bytes(head + answer.body, policy=policy.HTTP).walk()
                found = next((part for part in parts if part.get_content_maintype() == "image"), None)
                if found is None:
                    raise NoPhoto("no image among the parts")
                return bytes(found.get_content())
            case _:
                return await self._download(answer)

    async def _download(self, answer: Answer) -> bytes:
        class Linked(Struct):
            url: str

        class Document(Struct):
            result: Linked

        try:
            link = urlsplit(msgspec.json.decode(answer.body, type=Document).result.url)
        except msgspec.MsgspecError:
            raise NoPhoto("the JSON names no result") from None
        head = f"GET {link.path}?{link.query} HTTP/1.1\r\nhost: {self._url.netloc}\r\n\r\n"
        downloaded = await self._exchange(head.encode())
        if downloaded.status != _OK:
            raise NoPhoto(f"{downloaded.status} for the result's link")
        return downloaded.body


class _Receiver:
    """Answers of one connection, read off its bytes; `100 Continue` is one of them."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._parser = httptools.HttpResponseParser(self)
        self._answers: asyncio.Queue[Answer] = asyncio.Queue()
        self._coming = Answer()

    async def answer(self) -> Answer:
        while self._answers.empty():
            data = await self._reader.read(_CHUNK_BYTES)
            if not data:
                raise NoPhoto("the connection was closed without an answer")
            self._parser.feed_data(data)
        return self._answers.get_nowait()

    def on_message_begin(self) -> None:
        self._coming = Answer()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._coming.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._coming.body += body

    def on_message_complete(self) -> None:
        self._coming.status = self._parser.get_status_code()
        self._answers.put_nowait(self._coming)


def _dialect(answer: Answer) -> str:
    kind = answer.headers.get("content-type", "").split(";")[0]
    return {"application/json": "json", "multipart/mixed": "breeze_multipart"}.get(kind, "image")


def _member(body: bytes, name: str) -> str:
    try:
        return str(msgspec.json.decode(body, type=dict[str, object]).get(name, ""))
    except msgspec.MsgspecError:
        return ""


def _suffix(sheet: bytes) -> str:
    return ".png" if sheet.startswith(b"\x89PNG") else ".jpg"
