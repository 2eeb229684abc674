"""Live photos overtake old ones, and a lane is kept free for them."""

import asyncio

from photochanger.booth.hot_folder import Found
from photochanger.booth.line import Line
from photochanger.booth.record import Entry


def entry(name):
    return Entry(Found(name, 1, 1))


async def test_live_photos_overtake_old_ones():
    line = Line()
    for name, is_live in (("old 1", False), ("old 2", False), ("live 1", True), ("live 2", True)):
        await line.put(entry(name), is_live=is_live)
    taken = [(await line.take(only_live=False)).found.name for _ in range(4)]
    assert taken == ["live 1", "live 2", "old 1", "old 2"]


async def test_the_lane_for_live_photos_takes_no_old_one():
    line = Line()
    waiting = asyncio.create_task(line.take(only_live=True))
    await line.put(entry("old"), is_live=False)
    assert (await line.take(only_live=False)).found.name == "old"
    assert not waiting.done()
    await line.put(entry("live"), is_live=True)
    assert (await waiting).found.name == "live"
