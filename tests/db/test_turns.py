"""Places for units of work: who waits gives up when nothing moves, not because many wait."""

import asyncio

import pytest

from photochanger.adapters.db import turns as module
from photochanger.adapters.db.turns import Turns
from photochanger.core.errors import Problem


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
    assert max(left) <= 0.3


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


async def test_a_refusal_is_an_answer_too() -> None:
    turns = Turns(1)

    async def is_refused() -> None:
        async with turns.taken():
            await asyncio.sleep(0.1)
            raise Problem("job-not-found")

    refused = [asyncio.create_task(is_refused()) for _ in range(6)]
    await asyncio.sleep(0)
    await work(turns, 0)
    for each in refused:
        with pytest.raises(Problem):
            await each


async def test_who_waits_long_is_not_overtaken() -> None:
    turns, done = Turns(1), []

    async def note(number: int) -> None:
        await work(turns, 0.1)
        done.append(number)

    early = [asyncio.create_task(note(number)) for number in range(5)]
    await asyncio.sleep(0.35)  # longer than anybody waits for a line that stands still
    await asyncio.gather(note(5), *early)
    assert done == sorted(done)


async def test_who_follows_one_that_failed_has_no_longer_than_who_waited_with_it() -> None:
    turns = Turns(1)

    async def fails() -> None:
        async with turns.taken() as left:
            await asyncio.sleep(left / 2)
            raise OSError

    failing = asyncio.create_task(fails())
    await asyncio.sleep(0)
    assert await work(turns, 0) < 0.2
    with pytest.raises(OSError):  # noqa: PT011 – the one above
        await failing


@pytest.mark.parametrize("steps", range(6))
async def test_who_is_cancelled_takes_no_place(steps: int) -> None:
    turns = Turns(1)
    holding = asyncio.create_task(work(turns, 0.01))
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(work(turns, 0)) for _ in range(3)]
    await asyncio.wait([holding])
    for _ in range(steps):
        await asyncio.sleep(0)
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    async with turns.taken(within=0.1):
        with pytest.raises(TimeoutError):
            await turns.taken(within=0.01).__aenter__()
