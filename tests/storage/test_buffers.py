"""Lent memory: never more than the budget, in the order of asking, and given back however lending ends."""

import asyncio

import pytest

from photochanger.adapters.storage.buffers import PartBuffers


async def test_parts_are_lent_again_instead_of_made_again():
    buffers = PartBuffers(20, part_bytes=10)
    async with buffers.lend() as first:
        first[:3] = b"abc"
    async with buffers.lend() as again:
        assert bytes(again[:3]) == b"abc"
        assert len(again) == 10
    assert buffers.left_bytes == 20


async def test_the_memory_of_a_crowd_goes_back_when_it_has_left():
    buffers = PartBuffers(200, part_bytes=10)

    async def upload() -> None:
        async with buffers.lend():
            await asyncio.sleep(0)

    await asyncio.gather(*(upload() for _ in range(60)))
    assert buffers.left_bytes == 200
    assert 0 < len(buffers._idle) <= 4


@pytest.mark.parametrize(("asked", "given"), [(None, 10), (4, 4), (10, 10), (99, 10), (0, 1)])
async def test_an_upload_takes_what_it_needs(asked: int | None, given: int):
    buffers = PartBuffers(20, part_bytes=10)
    async with buffers.lend(asked) as buffer:
        assert len(buffer) == given
        assert buffers.left_bytes == 20 - given


async def test_who_asks_first_is_served_first_even_when_less_is_left():
    buffers = PartBuffers(10, part_bytes=10)
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
    buffers = PartBuffers(10, part_bytes=10)

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
    buffers = PartBuffers(20, part_bytes=10)
    async with buffers.lend(), buffers.lend():
        pass
    async with buffers.lend(9), buffers.lend(9):
        assert len(buffers._idle) * buffers.part_bytes <= buffers.left_bytes
