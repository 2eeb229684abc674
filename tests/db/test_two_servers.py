"""Two `serve` on one PostgreSQL and one folder are one product."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.support.canary import leaks
from tests.support.pictures import jpeg
from tests.support.postgres import running_cluster
from tests.support.product import ADMIN_PASSWORD, SLOT_PASSWORD
from tests.support.server import Server

ROUNDS, COPIES = 10, 20
JSON = {"Accept": "application/json"}


class Pair(NamedTuple):
    here: httpx.AsyncClient
    there: httpx.AsyncClient
    admin: dict[str, str]


@pytest.fixture
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pair]:
    if request.config.getoption("database") != "postgresql":
        pytest.skip("runs with --database postgresql")
    with running_cluster() as cluster:
        environ = {
            "DATABASE_URL": cluster.url(),
            "PHOTOCHANGER_DATA_DIR": str(tmp_path / "data"),
            "RATE_LIMIT_INGEST_BURST": "10000",
            "RATE_LIMIT_INGEST_RPS": "10000",
        }
        servers = [Server(tmp_path / name, **environ) for name in ("here", "there")]
        servers[0].folder.mkdir()
        await prepare(servers[0])
        try:
            for server in servers:
                await server.start()
            async with (
                httpx.AsyncClient(base_url=servers[0].url, timeout=60) as here,
                httpx.AsyncClient(base_url=servers[1].url, timeout=60) as there,
            ):
                login = await here.post("/api/login", json={"username": "boss", "password": ADMIN_PASSWORD})
                yield Pair(here, there, {"Authorization": f"Bearer {login.json()['access_token']}"})
            for server in servers:
                await server.stop()
        finally:
            for server in servers:
                await server.end()
        for server in servers:
            log = server.log.read_text()
            assert leaks(log) == []
            assert "Traceback" not in log


async def prepare(server: Server) -> None:
    refused = await server.run("serve", "--port", "0")
    assert (refused.code, refused.out) == (2, "")
    assert "Run `photochanger migrate` first." in refused.err
    for _ in range(2):
        assert (await server.run("migrate")).code == 0
    for arguments, password in (
        (("slots", "set-password", "slot-001"), SLOT_PASSWORD),
        (("accounts", "create", "boss", "--role", "admin"), ADMIN_PASSWORD),
    ):
        ended = await server.run(*arguments, "--password-stdin", stdin=password.encode())
        assert ended.code == 0, ended.err


async def send(client: httpx.AsyncClient, photo: bytes) -> httpx.Response:
    files = {"fileToUpload": ("a.jpg", photo, "image/jpeg")}
    return await client.post("/api/ingest/slot-001", data={"password": SLOT_PASSWORD}, files=files)


@pytest.mark.timeout(240)
async def test_the_same_photo_sent_to_both_at_once_is_one_job_and_both_hold_to_what_either_was_told(pair: Pair):
    for number in range(ROUNDS):
        photo = jpeg(160, 120, seed=number)
        both = [pair.here, pair.there] * (COPIES // 2)
        answers = await asyncio.gather(*(send(client, photo) for client in both))
        assert Counter(answer.status_code for answer in answers) == {200: COPIES}
        assert len({answer.headers["x-job-id"] for answer in answers}) == 1
        assert Counter(answer.headers["x-outcome"] for answer in answers) == {"transformed": 1, "duplicate": COPIES - 1}
    jobs = (await pair.there.get("/api/jobs", headers=pair.admin)).json()["items"]
    assert [job["status"] for job in jobs] == ["done"] * ROUNDS
    await tell_one_and_ask_the_other(pair, jobs[0]["job_id"])


async def tell_one_and_ask_the_other(pair: Pair, job_id: str) -> None:
    async def shown() -> int:
        return len((await pair.there.get("/public/slots/slot-001", headers=JSON)).json()["items"])

    assert await shown() == ROUNDS
    hidden = await pair.here.post(f"/api/jobs/{job_id}/hide", headers=pair.admin)
    assert hidden.status_code < 300, hidden.text
    assert await shown() == ROUNDS - 1

    settings = (await pair.here.get("/api/settings", headers=pair.admin)).json()
    changed = {"version": settings["version"], "result_ttl_hours": 5}
    assert (await pair.here.put("/api/settings", json=changed, headers=pair.admin)).status_code == 200
    assert (await pair.there.get("/api/settings", headers=pair.admin)).json()["result_ttl_hours"] == 5

    assert (await pair.here.post("/api/logout", headers=pair.admin)).status_code < 300
    assert (await pair.there.get("/api/settings", headers=pair.admin)).status_code == 401
