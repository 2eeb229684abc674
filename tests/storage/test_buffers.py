"""Lent memory: never more than the budget, in the order of asking, given back however lending ends. While somebody
waits it is taken from those who do not fill it.
"""

import asyncio

import pytest

from photochanger.adapters.storage.buffers import PartBuffers
from photochanger.core.errors import Problem
from tests.support.clock import FakeClock

LEAST_RATE = 600 / 60
"""Bytes a second: a part of 600 bytes in the longest window."""


def lender(budget_bytes: int, part_bytes: int = 10) -> PartBuffers:
    return PartBuffers(budget_bytes, clock=FakeClock(), part_bytes=part_bytes)


async def test_parts_are_lent_again_instead_of_made_again():
    buffers = lender(20)
    async with buffers.lend() as first:
        first.buffer[:3] = b"abc"
    async with buffers.lend() as again:
        assert bytes(again.buffer[:3]) == b"abc"
        assert len(again.buffer) == 10
    assert buffers.left_bytes == 20


async def test_the_memory_of_a_crowd_goes_back_when_it_has_left():
    buffers = lender(200)

    async def upload() -> None:
        async with buffers.lend():
            await asyncio.sleep(0)

    await asyncio.gather(*(upload() for _ in range(60)))
    assert buffers.left_bytes == 200
    assert 0 < len(buffers._idle) <= 4


@pytest.mark.parametrize(("asked", "given"), [(None, 10), (4, 4), (10, 10), (99, 10), (0, 1)])
async def test_an_upload_takes_what_it_needs(asked: int | None, given: int):
    buffers = lender(20)
    async with buffers.lend(asked) as loan:
        assert len(loan.buffer) == given
        assert buffers.left_bytes == 20 - given


async def test_who_asks_first_is_served_first_even_when_less_is_left():
    buffers = lender(10)
    order: list[int] = []

    async def borrow(number: int, size: int) -> None:
        async with buffers.lend(size):
            order.append(number)
            await asyncio.sleep(0)

    async with buffers.lend(5):
        waiting = [asyncio.create_task(borrow(number, size)) for number, size in enumerate((10, 1, 10))]
        await asyncio.sleep(0)
        assert order == []
    await asyncio.gather(*waiting)
    assert order == [0, 1, 2]
    assert buffers.left_bytes == 10


@pytest.mark.parametrize("turns", range(4))
async def test_who_is_cancelled_while_waiting_takes_nothing(turns: int):
    buffers = lender(10)

    async def borrow() -> None:
        async with buffers.lend():
            await asyncio.Event().wait()

    holder, waiter, last = (asyncio.create_task(borrow()) for _ in range(3))
    await asyncio.sleep(0)
    holder.cancel()
    for _ in range(turns):
        await asyncio.sleep(0)
    waiter.cancel()
    last.cancel()
    await asyncio.gather(holder, waiter, last, return_exceptions=True)
    assert buffers.left_bytes == 10


async def test_idle_parts_and_small_buffers_together_keep_to_the_budget():
    buffers = lender(20)
    async with buffers.lend(), buffers.lend():
        pass
    async with buffers.lend(9), buffers.lend(9):
        assert len(buffers._idle) * buffers.part_bytes <= buffers.left_bytes


class Senders:
    """Uploads that share two parts of 600 bytes, on a clock that is moved by hand."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.buffers = PartBuffers(1200, clock=self.clock, part_bytes=600)
        self.told: dict[str, str] = {}
        self.order: list[str] = []
        self._lines: dict[str, asyncio.Queue[bytes | None]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self, *names: str, size: int | None = None) -> None:
        for name in names:
            self._lines[name] = asyncio.Queue()
            self._tasks.append(asyncio.create_task(self._upload(name, size)))
        await rest()

    async def send(self, name: str, size: int) -> None:
        self._lines[name].put_nowait(b"x" * size)
        await rest()

    async def end(self, *names: str) -> None:
        for name in names:
            self._lines[name].put_nowait(None)
        await rest()

    async def _upload(self, name: str, size: int | None) -> None:
        async def chunks():
            while (chunk := await self._lines[name].get()) is not None:
                yield chunk

        try:
            async with self.buffers.lend(size) as loan:
                self.order.append(name)
                async for chunk in loan.watch(chunks()):
                    if chunk == b"x":
                        await asyncio.Event().wait()  # the store's work
        except Problem as problem:
            self.told[name] = problem.code

    async def leave(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        assert self.buffers.left_bytes == 1200


@pytest.fixture
async def senders(monkeypatch):
    monkeypatch.setattr("photochanger.adapters.storage.buffers._LOOK_SECONDS", 0)
    senders = Senders()
    yield senders
    await senders.leave()


async def rest() -> None:
    """For some looks."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_who_is_silent_is_cut_when_somebody_waits(senders):
    await senders.begin("a", "b", "c")
    senders.clock.advance(seconds=1.9)
    await rest()
    assert senders.told == {}
    await senders.send("a", 300)
    senders.clock.advance(seconds=0.2)
    await rest()
    assert senders.told == {"b": "upload-too-slow"}
    assert senders.order == ["a", "b", "c"]


async def test_of_two_slow_ones_the_slower_is_cut_for_one_who_waits(senders):
    await senders.begin("a", "b", "c")
    await senders.send("a", 5)
    await senders.send("b", 6)
    senders.clock.advance(seconds=2)
    await rest()
    assert senders.told == {"a": "upload-too-slow"}


async def test_nobody_is_cut_as_long_as_nobody_waits(senders):
    await senders.begin("a", "b")
    senders.clock.advance(seconds=100)
    await rest()
    assert senders.told == {}


async def test_a_sender_is_not_cut_for_what_the_store_is_slow_with(senders):
    await senders.begin("a", "b", "c")
    await senders.send("a", 1)
    await senders.send("b", 1)
    senders.clock.advance(seconds=100)
    await rest()
    assert senders.told == {}


async def test_who_was_fast_enough_is_looked_at_anew(senders):
    await senders.begin("a", "b", "c")
    for name in "ab":
        await senders.send(name, 500)
    senders.clock.advance(seconds=2)
    await rest()
    for name in "ab":
        await senders.send(name, int(2 * LEAST_RATE) + 2)
    senders.clock.advance(seconds=2)
    await rest()
    assert senders.told == {}
    senders.clock.advance(seconds=2)
    await rest()
    assert len(senders.told) == 1


async def test_what_is_taken_goes_to_who_came_last_and_what_is_given_back_to_who_came_first(senders):
    await senders.begin("a", "b", "c", "d", "e", "f")
    senders.clock.advance(seconds=2)
    await rest()
    assert set(senders.told) == {"a", "b"}
    assert senders.order == ["a", "b", "f", "e"]
    await senders.end("f", "e")
    assert senders.order == ["a", "b", "f", "e", "c", "d"]


async def test_what_is_taken_and_too_small_for_who_came_last_goes_to_who_came_first(senders):
    await senders.begin("a", "b", "c", size=300)
    await senders.begin("d", size=300)
    for name in "bcd":
        await senders.send(name, 1)
    await senders.begin("e", size=300)
    await senders.begin("f")
    senders.clock.advance(seconds=2)
    await rest()
    assert senders.told == {"a": "upload-too-slow"}
    assert senders.order == ["a", "b", "c", "d", "e"]
