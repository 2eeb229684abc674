"""What a process that has to end takes no more. How it ends: tests/process/test_drain.py."""

import asyncio

import pytest

from photochanger.core.drain import Drain
from photochanger.core.errors import Problem
from tests.support.clock import FakeClock
from tests.support.pictures import jpeg


async def test_nothing_that_makes_a_photo_begins_any_more(lone_product):
    photo = jpeg(64, 48)
    job_id = (await lone_product.send(photo)).headers["x-job-id"]
    lone_product.parts.drain.begin()
    client, admin = lone_product.client, lone_product.admin
    answers = [
        await lone_product.send(jpeg(64, 48, seed=2)),
        await client.post(f"/api/jobs/{job_id}/rerun", headers=admin),
        await client.post("/api/slots/slot-001/test-run", files={"photo": photo}, headers=admin),
        await client.post("/api/templates", files={"file": photo}, headers=admin),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(503, "draining")] * 4
    assert all(answer.headers["retry-after"] == "5" for answer in answers)
    assert (await client.get(f"/api/jobs/{job_id}")).status_code == 200
    assert len((await client.get("/api/jobs", headers=admin)).json()["items"]) == 1


async def test_who_waits_for_a_photo_is_waited_for():
    clock = FakeClock()
    drain = Drain(clock)
    with drain.waiting(clock.monotonic() + 20), drain.waiting(clock.monotonic() + 10):
        drain.begin()
        assert (drain.is_idle, drain.seconds_left) == (False, 20)
    clock.advance(seconds=5)
    assert (drain.is_idle, drain.seconds_left) == (True, 15)


async def test_an_upload_is_broken_off_wherever_it_is():
    drain = Drain(FakeClock())

    async def upload() -> str:
        with pytest.raises(Problem) as told:
            async with drain.receiving(60):
                await asyncio.Event().wait()
        return told.value.code

    uploads = [asyncio.create_task(upload()) for _ in range(3)]
    await asyncio.sleep(0)
    drain.begin()
    drain.begin()
    assert await asyncio.gather(*uploads) == ["draining"] * 3
