"""Notices between tasks: "something about this topic changed, look again". They carry no data and may get lost."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager


class Notices:
    """In one process. Whoever listens polls slowly underneath, so that a lost notice costs time, never an answer."""

    def __init__(self) -> None:
        self._listening: dict[str, set[asyncio.Event]] = defaultdict(set)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While the block lasts, notices also come from and go to other processes, where there can be any."""
        yield

    def publish(self, topic: str) -> None:
        for event in self._listening.get(topic, ()):
            event.set()

    @contextmanager
    def listen(self, topic: str) -> Iterator[asyncio.Event]:
        """An event that is set at every notice; whoever waits clears it before looking."""
        event = asyncio.Event()
        self._listening[topic].add(event)
        try:
            yield event
        finally:
            self._listening[topic].discard(event)
            if not self._listening[topic]:
                del self._listening[topic]
