"""Power cuts of one machine of two, which share a database and a bucket and nothing else."""

import asyncio
import random
from collections.abc import Iterator

import httpx
import pytest

from tests.support.canary import leaks
from tests.support.paid_call import cut_while_a_vendor_works
from tests.support.production import Installation
from tests.support.sender import missing, photos, send_half, send_until_it_dies, unseen
from tests.support.server import Server, until

pytestmark = pytest.mark.s3
SENDERS = 3
MIB = 2**20
NOTHING_TO_DO = "jobs closed: 0\nuploads aborted: 0\nobjects deleted: 0\nobjects missing: 0\nrunners forgotten: 0\n"
LATE = "UPDATE runners SET beat_at = beat_at - interval '31 seconds' WHERE runner_id = ANY($1)"


class Round:
    """One machine under load until its power goes."""

    def __init__(self, installed: Installation, server: Server, supply: Iterator[bytes]) -> None:
        self._installed = installed
        self._server = server
        self._supply = supply
        self.kept: dict[str, str] = {}

    async def run(self, seconds: float) -> list[str]:
        """The runners that died; of each an upload was open."""
        server = self._server
        load = [asyncio.create_task(send_until_it_dies(server.url, self.kept, self._supply)) for _ in range(SENDERS)]
        half = asyncio.create_task(send_half(server.url, next(photos(padding=24 * MIB))))
        dead = await self._installed.runners_of(server)

        async def is_open() -> bool:
            return any(runner in key for key in await self._installed.open_uploads() for runner in dead)

        await until(is_open, seconds=60)
        await until(self.kept.__len__, seconds=60)
        await asyncio.sleep(seconds)  # the moment of the cut is what is tried
        await server.kill()
        half.cancel()
        await asyncio.gather(*load)
        assert await server.survivors() == []
        return dead


@pytest.mark.timeout(1800)
async def test_kills_of_either_machine_lose_nothing_acknowledged_and_leave_nothing_half_done(
    installed: Installation, request: pytest.FixtureRequest
):
    rounds = request.config.getoption("kills") // 10
    await installed.prepare()
    machines = [installed.machine(name) for name in ("here", "there")]
    chance, supply, kept = random.Random(20), photos(), dict[str, str]()
    try:
        await asyncio.gather(*(machine.start() for machine in machines))
        for number in range(rounds):
            machine, other = machines[number % 2], machines[1 - number % 2]
            cut = Round(installed, machine, supply)
            dead = await cut.run(chance.random())
            kept |= cut.kept
            is_last = number == rounds - 1
            if is_last:
                await installed.execute(LATE, dead)  # as if the other had heard nothing for so long
                assert "runners forgotten: 1" in (await other.run("reconcile")).out
            else:
                await machine.start()
            assert await installed.running_jobs(dead) == []
            async with httpx.AsyncClient(base_url=other.url, timeout=60) as client:
                assert await unseen(client) == []
        assert len(kept) >= rounds
        await nothing_is_left(installed, machines[rounds % 2])
        async with httpx.AsyncClient(base_url=machines[rounds % 2].url, timeout=60) as client:
            assert await missing(client, kept) == []
    finally:
        for machine in machines:
            await machine.end()
    for machine in machines:
        assert leaks(machine.log.read_text(), machine.secrets) == []


async def test_a_call_that_a_power_cut_ended_is_told_truthfully_and_the_photo_sent_again_is_made(
    installed: Installation,
):
    await installed.prepare()
    server = installed.machine("here")
    try:
        await cut_while_a_vendor_works(server)
    finally:
        await server.end()
    assert leaks(server.log.read_text(), server.secrets) == []


async def nothing_is_left(installed: Installation, living: Server) -> None:
    """As it was after the one before, which closed what the last cut left."""
    reconciled = await living.run("reconcile")
    assert (reconciled.code, reconciled.out) == (0, NOTHING_TO_DO)
    assert await installed.open_uploads() == []
    assert await installed.objects() == await installed.kept_objects()
    assert await installed.execute("SELECT id FROM jobs WHERE status = 'processing'") == []
