"""A store for a test, with what the conformance suite asks of it beside the protocol. A new store is a new maker."""

from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from photochanger.adapters.storage.links import PATH, LinkSigner
from photochanger.adapters.storage.local import WRITE_BYTES, LocalStore
from photochanger.adapters.storage.store import ObjectStore
from photochanger.core.errors import Problem
from tests.support.clock import FakeClock
from tests.support.streams import read_all

BASE_URL = "http://testserver"


class Bench(Protocol):
    maker: str
    """Its name in MAKERS; with `location` another process opens the same store."""
    location: str
    store: ObjectStore
    part_bytes: int
    """An upload of more than this is open, as `open_uploads` says, while it goes on."""

    async def fetch(self, link: str) -> bytes | None:
        """What a stranger gets for a presigned link; None when refused."""
        ...

    async def pass_time(self, seconds: float) -> None: ...

    def leftovers(self) -> list[str]:
        """Whatever lies in the store, finished or not, seen from below."""
        ...


class LocalBench:
    maker = "local"
    part_bytes = WRITE_BYTES

    def __init__(self, location: str) -> None:
        self.location = location
        self._clock = FakeClock()
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

    def leftovers(self) -> list[str]:
        return [str(path) for path in Path(self.location).rglob("*") if not path.is_dir()]


MAKERS: MappingProxyType[str, Callable[[str], Bench]] = MappingProxyType({"local": LocalBench})
