"""The hot folder's order: photos that guests wait for go first."""

import asyncio

import pytest

from photochanger.booth.door import Delivered, Door
from photochanger.booth.hot_folder import HotFolder
from photochanger.booth.watch import Watch
from tests.support.clock import FakeClock
from tests.support.server import until


class HeldDoor(Door):
    """Answers when it is let."""

    def __init__(self):
        self.asked: list[bytes] = []
        self.let = asyncio.Event()

    async def send(self, photo, *, key):
        self.asked.append(photo)
        await self.let.wait()
        return Delivered(photo=b"changed " + photo, suffix=".jpg", outcome="transformed", job_id=key, link="")


@pytest.fixture
async def event(tmp_path):
    """Five photos from before, then the watch begins; gives the door and a way to take a photo."""
    clock, door = FakeClock(), HeldDoor()
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    for number in range(5):
        (tmp_path / f"in/old {number}.jpg").write_bytes(b"old %d" % number)
    folder = HotFolder(tmp_path / "in", clock)
    watch = Watch(
        folder=folder, out=tmp_path / "out", door=door, every=0.01, catch_up=True, echo=lambda text: clock.now()
    )
    folder.look()
    clock.advance(seconds=1)
    running = asyncio.create_task(watch.run(retry_failed=False))

    async def shoot(name):
        (tmp_path / "in" / name).write_bytes(name.encode())
        folder.look()
        clock.advance(seconds=1)

    yield door, shoot
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_live_photo_waits_for_no_old_one(event, tmp_path):
    door, shoot = event
    await until(lambda: len(door.asked) == 2, seconds=30)
    await shoot("live.jpg")
    await until(lambda: len(door.asked) == 3, seconds=30)
    assert door.asked[2] == b"live.jpg"
    assert {photo[:3] for photo in door.asked[:2]} == {b"old"}
    door.let.set()
    await until(lambda: len(list((tmp_path / "out").glob("*.jpg"))) == 6, seconds=30)
    assert len(door.asked) == 6
    assert (tmp_path / "out/live.jpg").read_bytes() == b"changed live.jpg"
