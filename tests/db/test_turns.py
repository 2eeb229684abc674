"""Places for units of work: who waits gives up when nothing moves, not because many wait."""

import asyncio

import pytest

from photochanger.adapters.db import turns as module
from photochanger.adapters.db.turns import Turns


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.3)


async def work(turns: Turns, seconds: float) -> float:
    async with turns.taken() as left:
        await asyncio.sleep(seconds)
    return left


async def test_a_long_line_that_moves_is_waited_for() -> None:
    turns = Turns(2)
    left = await asyncio.gather(*(work(turns, 0.1) for _ in range(12)))
    assert max(left) <= 0.5


async def test_a_line_that_stands_still_is_given_up_by_all_who_wait() -> None:
    turns = Turns(2)
    holding = [asyncio.create_task(work(turns, 1.0)) for _ in range(2)]
    await asyncio.sleep(0)
    waiting = await asyncio.gather(*(work(turns, 0) for _ in range(5)), return_exceptions=True)
    assert {type(answer) for answer in waiting} == {TimeoutError}
    await asyncio.gather(*holding)
    await work(turns, 0)


async def test_work_that_failed_does_not_count_as_moving() -> None:
    turns = Turns(1)

    async def fails(seconds: float) -> None:
        async with turns.taken():
            await asyncio.sleep(seconds)
            raise OSError

    failing = asyncio.create_task(fails(0.25))
    await asyncio.sleep(0)
    next_one = asyncio.create_task(fails(1.0))
    await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        await work(turns, 0)
    for each in (failing, next_one):
        with pytest.raises(OSError):  # noqa: PT011 – the one above
            await each
