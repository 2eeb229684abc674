"""Booths that send until the power goes, and what they remember of it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from itertools import count
from urllib.parse import urlsplit

import httpx

from tests.support.multipart import encode, file, text
from tests.support.pictures import jpeg
from tests.support.product import SLOT_PASSWORD

_COMMENT_BYTES = 65_533


def photos(*, padding: int = 0) -> Iterator[bytes]:
    """Different ones, cheaply: one picture with a numbered comment, and as many bytes more as are asked for."""
    plain = jpeg(160, 120, seed=7)
    filling = _comment(b"\0" * _COMMENT_BYTES) * (padding // _COMMENT_BYTES)
    for number in count():
        yield plain[:2] + _comment(f"{number:08} {padding}".encode()) + filling + plain[2:]


def _comment(data: bytes) -> bytes:
    return b"\xff\xfe" + (len(data) + 2).to_bytes(2, "big") + data


async def post(client: httpx.AsyncClient, photo: bytes, *, password: str = SLOT_PASSWORD) -> httpx.Response:
    files = {"fileToUpload": ("a.jpg", photo, "image/jpeg")}
    return await client.post("/api/ingest/slot-001", data={"password": password}, files=files)


async def send_until_it_dies(url: str, kept: dict[str, str], supply: Iterator[bytes]) -> None:
    """`kept` gets the path and the hash of every photo whose answer was whole."""
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        while True:
            try:
                answer = await post(client, next(supply))
            except httpx.TransportError:
                return
            assert answer.status_code == 200, answer.text
            link = urlsplit(answer.headers["x-result-url"])
            kept[f"{link.path}?{link.query}"] = hashlib.sha256(answer.content).hexdigest()


async def send_half(url: str, photo: bytes) -> None:
    """A photo whose second half never comes; waits until it is cancelled."""
    content_type, body = encode([text("password", SLOT_PASSWORD), file(photo)])

    async def chunks() -> AsyncIterator[bytes]:
        yield body[: len(body) // 2]
        await asyncio.Event().wait()

    headers = {"Content-Type": content_type, "Content-Length": str(len(body))}
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        await client.post("/api/ingest/slot-001", content=chunks(), headers=headers)


async def missing(client: httpx.AsyncClient, kept: dict[str, str]) -> list[str]:
    """What does not download as it was acknowledged."""
    found = {}
    for path in kept:
        answer = await client.get(path)
        found[path] = (answer.status_code, hashlib.sha256(answer.content).hexdigest())
    return [path for path, digest in kept.items() if found[path] != (200, digest)]


async def unseen(client: httpx.AsyncClient) -> list[str]:
    """Addresses the gallery shows that do not answer."""
    items = (await client.get("/public/slots/slot-001", headers={"Accept": "application/json"})).json()["items"]
    urls = [item[name] for item in items for name in ("url", "thumb_url", "screen_url")]
    return [url for url in urls if (await client.get(urlsplit(url).path)).status_code != 200]
