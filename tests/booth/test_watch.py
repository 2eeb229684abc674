"""The hot folder: photos that guests wait for go first, and none is forgotten, whatever becomes of its file."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from photochanger.booth.door import Delivered, Door, Later
from photochanger.booth.hot_folder import Found, HotFolder
from photochanger.booth.record import Record
from photochanger.booth.watch import Watch
from tests.support.clock import FakeClock
from tests.support.server import until


class HeldDoor(Door):
    """Answers when it is let."""

    def __init__(self):
        self.asked: list[bytes] = []
        self.let = asyncio.Event()
        self.breaks = 0

    async def send(self, photo, *, key):
        self.asked.append(photo)
        await self.let.wait()
        if self.breaks:
            self.breaks -= 1
            raise Later("the connection broke")
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


@pytest.fixture
def folders(tmp_path):
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    return tmp_path / "in", tmp_path / "out"


@asynccontextmanager
async def watching(folders, door, said=None) -> AsyncIterator[HotFolder]:
    """As at an event, without --catch-up."""
    clock = FakeClock()
    folder = HotFolder(folders[0], clock)
    echo = [].append if said is None else said.append
    watch = Watch(folder=folder, out=folders[1], door=door, every=0.01, catch_up=False, echo=echo)
    folder.look()
    running = asyncio.create_task(watch.run(retry_failed=False))
    try:
        yield folder
    finally:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


def answers(folders):
    return {os.fsencode(path.name): path.read_bytes() for path in folders[1].iterdir() if path.suffix == ".jpg"}


def settle(folder):
    """Once for what was written: what this look finds settled, the watch does not see."""
    folder.look()
    folder._clock.advance(seconds=1)


async def test_a_photo_that_is_renamed_while_it_waits_is_sent_under_its_new_name(folders):
    door = HeldDoor()
    door.breaks = 1
    async with watching(folders, door) as folder:
        (folders[0] / "a.jpg").write_bytes(b"photo")
        settle(folder)
        await until(lambda: door.asked == [b"photo"], seconds=30)
        (folders[0] / "a.jpg").rename(folders[0] / "b.jpg")
        settle(folder)
        await until(lambda: [entry.state for entry in Record(folders[1]).list_in("twin")] == ["twin"], seconds=30)
        door.let.set()
        await until(lambda: answers(folders) == {b"b.jpg": b"changed photo"}, seconds=30)


async def test_a_photo_whose_writer_went_on_while_nobody_watched_is_sent_as_it_is_now(folders):
    record, door = Record(folders[1]), HeldDoor()
    record.add(Found("half.jpg", 4, 1))
    record.save()
    door.let.set()
    (folders[0] / "half.jpg").write_bytes(b"whole")
    (folders[0] / "before.jpg").write_bytes(b"before")
    async with watching(folders, door) as folder:
        settle(folder)
        await until(lambda: answers(folders) == {b"half.jpg": b"changed whole"}, seconds=30)
    assert door.asked == [b"whole"]


@pytest.mark.parametrize(
    "name", [b"f\xfcr Anna.jpg", "ф".encode() * 120 + b".jpg"], ids=["no text", "as long as can be"]
)
async def test_no_name_of_a_file_stops_the_watch(folders, name):
    door = HeldDoor()
    said: list[str] = []
    door.let.set()
    async with watching(folders, door, said) as folder:
        (folders[0] / os.fsdecode(name)).write_bytes(b"odd")
        (folders[0] / "good.jpg").write_bytes(b"good")
        settle(folder)
        await until(lambda: len(answers(folders)) == 2, seconds=30)
    assert sorted(answers(folders).values()) == [b"changed good", b"changed odd"]
    assert all(line.encode() for line in said)
    assert [entry.state for entry in Record(folders[1]).list_in("done")] == ["done", "done"]
