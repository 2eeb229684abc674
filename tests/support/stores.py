"""A store for a test, with what the conformance suite asks of it beside the protocol. A new store is a new maker."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import httpx
import msgspec

from photochanger.adapters.storage.links import PATH, LinkSigner
from photochanger.adapters.storage.local import WRITE_BYTES, LocalStore
from photochanger.adapters.storage.s3 import S3Store
from photochanger.adapters.storage.s3_client import S3Settings
from photochanger.adapters.storage.store import ObjectStore
from photochanger.core.clock import Clock, SystemClock
from photochanger.core.errors import Problem
from photochanger.core.limits import PART_BYTES
from tests.support.clock import FakeClock
from tests.support.s3 import S3Address, leftovers
from tests.support.streams import read_all

BASE_URL = "http://testserver"


class Bench(Protocol):
    maker: str
    """Its name in MAKERS; with `location` another process opens the same store."""
    location: str
    store: ObjectStore
    part_bytes: int
    """An upload of more than this is open, as `open_uploads` says, while it goes on."""

    clock: Clock
    """What the store's times and links go by."""

    async def fetch(self, link: str) -> bytes | None:
        """What a stranger gets for a presigned link; None when refused."""
        ...

    async def pass_time(self, seconds: float) -> None: ...

    async def leftovers(self) -> list[str]:
        """Whatever lies in the store, finished or not, seen from below."""
        ...


class LocalBench:
    maker = "local"
    part_bytes = WRITE_BYTES

    def __init__(self, location: str) -> None:
        self.location = location
        self._clock = FakeClock()
        self.clock: Clock = self._clock
        self._links = LinkSigner(b"k" * 32, lambda: BASE_URL)
        self.store: ObjectStore = LocalStore(Path(location), clock=self._clock, links=self._links)

    async def fetch(self, link: str) -> bytes | None:
        base, path, token = link.partition(PATH)
        assert (base, path) == (BASE_URL, PATH)
        try:
            key = self._links.verify(token, self._clock.now())
        except Problem:
            return None
        async with self.store.get(key) as chunks:
            return await read_all(chunks)

    async def pass_time(self, seconds: float) -> None:
        self._clock.advance(seconds=seconds)

    async def leftovers(self) -> list[str]:
        return [str(path) for path in Path(self.location).rglob("*") if not path.is_dir()]  # noqa: ASYNC240 – a test


class S3Bench:
    """`location` is an S3Address as JSON."""

    maker = "s3"
    part_bytes = PART_BYTES

    def __init__(self, location: str) -> None:
        self.location = location
        self.address = msgspec.json.decode(location, type=S3Address)
        self.clock: Clock = SystemClock()
        self.store: ObjectStore = S3Store(settings_of(self.address), clock=self.clock)

    async def fetch(self, link: str) -> bytes | None:
        async with httpx.AsyncClient() as client:
            answer = await client.get(link)
        return answer.content if answer.status_code == 200 else None

    async def pass_time(self, seconds: float) -> None:
        await asyncio.sleep(seconds + 1)  # the server's clock; whole seconds

    async def leftovers(self) -> list[str]:
        return await leftovers(self.address)


def location_of(address: S3Address) -> str:
    return msgspec.json.encode(address).decode()


def settings_of(address: S3Address) -> S3Settings:
    return S3Settings(
        endpoint=address.endpoint,
        presign_endpoint=address.endpoint,
        bucket=address.bucket,
        region="us-east-1",
        access_key=address.access_key,
        secret_key=address.secret_key,
        prefix=address.prefix,
    )


MAKERS: MappingProxyType[str, Callable[[str], Bench]] = MappingProxyType({"local": LocalBench, "s3": S3Bench})
