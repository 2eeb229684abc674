"""Does to a store, once, everything the product will do to it, and says for each step what to do where it fails."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from msgspec import Struct

from photochanger.adapters.storage.probe import one
from photochanger.adapters.storage.store import ObjectMissing, ObjectStore, StorageUnavailable
from photochanger.core.clock import Clock
from photochanger.core.ids import new_id


class Step(Struct, frozen=True):
    name: str
    ok: bool
    says: str
    advice: str = ""


class StepFailed(Exception):  # noqa: N818 – a finding
    def __init__(self, says: str, advice: str) -> None:
        self.says = says
        self.advice = advice
        super().__init__(says)


Work = Callable[[], Awaitable[str]]
"""Says what was found, or raises StepFailed, or what the store raises."""


class Examination:
    """What every store can do. One for S3 adds steps of its own before `delete`."""

    advice = "Check the data directory's owner and free space."

    def __init__(self, store: ObjectStore, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.key = f"check/{new_id(clock.now())}-check.bin"
        self.written = self.key.encode()

    def steps(self) -> dict[str, Work]:
        return {"write": self.write, "read": self.read, "range": self.range, "delete": self.delete}

    async def run(self) -> AsyncIterator[Step]:
        """Ends after `write` where that fails: nothing else could be told apart."""
        try:
            for name, work in self.steps().items():
                step = await self._try(name, work)
                yield step
                if name == "write" and not step.ok:
                    return
        finally:
            with suppress(StorageUnavailable):
                await self.store.delete(self.key)

    async def _try(self, name: str, work: Work) -> Step:
        try:
            return Step(name, ok=True, says=await work())
        except StepFailed as failed:
            return Step(name, ok=False, says=failed.says, advice=failed.advice)
        except StorageUnavailable as problem:
            says, _, advice = problem.reason.partition(": ")
            return Step(
                name, ok=False, says=says, advice=f"{advice[:1].upper()}{advice[1:]}." if advice else self.advice
            )
        except ObjectMissing:
            return Step(name, ok=False, says="what was just written is gone", advice=self.advice)

    async def write(self) -> str:
        await self.store.put(
            self.key, one(self.written), content_type="application/octet-stream", size_bytes=len(self.written)
        )
        return f"{self.store.name} takes an object"

    async def read(self) -> str:
        await self._compare(0, None)
        return "it reads as it was written"

    async def range(self) -> str:
        await self._compare(3, 5)
        return "a part of it, too"

    async def _compare(self, start: int, length: int | None) -> None:
        async with self.store.get(self.key, start=start, length=length) as chunks:
            found = b"".join([chunk async for chunk in chunks])
        if found != self.written[start:][:length]:
            raise StepFailed("what was just written reads differently", self.advice)

    async def delete(self) -> str:
        await self.store.delete(self.key)
        if await self.store.head(self.key) is not None:
            raise StepFailed("a deleted object is still there", "Switch off versioning and object locks of the bucket.")
        return "deleted, and gone"
