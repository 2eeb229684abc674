"""A provider that does what a test tells it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct

from photochanger.adapters.providers.driver import Capabilities, ProviderError, ProviderImage, TransformRequest

Behaviour = ProviderError | bytes | Callable[[TransformRequest], Awaitable[bytes]]


class EditSettings(Struct, frozen=True, kw_only=True):
    strength: float = 1.0


class FakeDriver:
    """Each call takes the next of `script`; when that is used up, and without one, it gives the photo back."""

    def __init__(self, *script: Behaviour, name: str = "fake") -> None:
        self.name = name
        self.model: str | None = None
        self.is_configured = True
        self.capabilities = Capabilities(operations={"edit": EditSettings}, is_local=False)
        self.restart(*script)

    def restart(self, *script: Behaviour) -> None:
        self.script = list(script)
        self.calls: list[TransformRequest] = []
        self.called = asyncio.Event()
        self.peak = 0
        self.cancelled_count = 0
        self._running = 0

    async def transform(self, request: TransformRequest) -> ProviderImage:
        self.calls.append(request)
        self.called.set()
        self._running += 1
        self.peak = max(self.peak, self._running)
        try:
            data = await self._next(request)
        except asyncio.CancelledError:
            self.cancelled_count += 1
            raise
        finally:
            self._running -= 1
        return ProviderImage(data=data, media_type="image/jpeg", model="fake-1", cost_micros=1000)

    async def _next(self, request: TransformRequest) -> bytes:
        behaviour = self.script.pop(0) if self.script else request.photo.data
        if isinstance(behaviour, ProviderError):
            raise behaviour
        return behaviour if isinstance(behaviour, bytes) else await behaviour(request)

    async def probe(self) -> None:
        pass

    async def close(self) -> None:
        pass


async def hang(request: TransformRequest) -> bytes:
    await asyncio.Event().wait()
    return request.photo.data


class Gate:
    """A behaviour that answers once `open` is set: with the photo, or with what was given."""

    def __init__(self, answer: Behaviour | None = None) -> None:
        self.open = asyncio.Event()
        self._answer = answer

    async def __call__(self, request: TransformRequest) -> bytes:
        await self.open.wait()
        if isinstance(self._answer, ProviderError):
            raise self._answer
        return self._answer if isinstance(self._answer, bytes) else request.photo.data


def step(provider: str = "fake", operation: str = "edit", **members: Any) -> dict[str, Any]:
    """One step of a slot's chain."""
    return {"provider": provider, "operation": operation, **members}
