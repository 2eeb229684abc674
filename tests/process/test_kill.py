"""Power cuts: what was acknowledged stays, what was not leaves nothing."""

import asyncio
import random

import httpx
import pytest

from tests.support.canary import leaks
from tests.support.paid_call import cut_while_a_vendor_works
from tests.support.product import ADMIN_PASSWORD, SLOT_PASSWORD
from tests.support.sender import missing, photos, send_until_it_dies, unseen
from tests.support.server import Server, until

SENDERS = 6
UNLIMITED = {"RATE_LIMIT_INGEST_RPS": "100000", "RATE_LIMIT_INGEST_BURST": "100000"}


@pytest.fixture(scope="module")
async def server(tmp_path_factory):
    """It has been set up, and may be running."""
    server = Server(tmp_path_factory.mktemp("server"), **UNLIMITED)
    for arguments, password in (
        (("slots", "set-password", "slot-001"), SLOT_PASSWORD),
        (("accounts", "create", "boss", "--role", "admin"), ADMIN_PASSWORD),
    ):
        ended = await server.run(*arguments, "--password-stdin", stdin=password.encode())
        assert ended.code == 0, ended.err
    yield server
    await server.end()


@pytest.mark.timeout(1800)
async def test_kills_under_load_lose_nothing_acknowledged_and_leave_nothing_half_done(
    server: Server, request: pytest.FixtureRequest
):
    await server.end()
    rounds = request.config.getoption("kills") // 5
    chance, supply = random.Random(20), photos()
    kept: dict[str, str] = {}
    admin: dict[str, str] = {}
    for _ in range(rounds):
        await server.start()
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
            if not admin:
                login = await client.post("/api/login", json={"username": "boss", "password": ADMIN_PASSWORD})
                admin["Authorization"] = f"Bearer {login.json()['access_token']}"
            running = await client.get("/api/jobs", params={"status": "processing"}, headers=admin)
            assert running.json()["items"] == []
            assert await unseen(client) == []
        fresh: dict[str, str] = {}
        load = [asyncio.create_task(send_until_it_dies(server.url, fresh, supply)) for _ in range(SENDERS)]
        await until(fresh.__len__, seconds=60)
        await asyncio.sleep(chance.random())  # the moment of the cut is what is tried
        await server.kill()
        await asyncio.gather(*load)
        assert await server.survivors() == []
        kept |= fresh
    assert len(kept) >= rounds

    reconciled = await server.run("reconcile")
    assert reconciled.code == 0, reconciled.out
    assert "objects missing: 0" in reconciled.out
    assert server.query("SELECT id FROM jobs WHERE status = 'processing'") == []
    rows = server.query("SELECT object_key FROM media WHERE evicted_at IS NULL")
    assert server.stored_files() == sorted(key for (key,) in rows)

    await server.start()
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        assert await missing(client, kept) == []
        assert await unseen(client) == []
    assert leaks(server.log.read_text(), [admin["Authorization"].split()[1]]) == []


async def test_a_call_that_a_power_cut_ended_is_told_truthfully_and_the_photo_sent_again_is_made(server: Server):
    await server.end()
    await cut_while_a_vendor_works(server)
    assert leaks(server.log.read_text()) == []
