"""A booth's session against `serve` on PostgreSQL and S3; on the embedded stack `test_tools` has it."""

import httpx
import pytest

from tests.support.canary import leaks
from tests.support.pictures import jpeg
from tests.support.product import ADMIN_PASSWORD, SLOT_PASSWORD
from tests.support.production import Installation
from tests.support.server import Server

DIALECTS = ["image", "json", "breeze_multipart"]


@pytest.mark.s3
async def test_a_simulated_booth_prints_a_session_of_five_photos_in_each_dialect(installed: Installation):
    await installed.prepare()
    server = installed.machine("here")
    await server.start()
    try:
        await sessions(server)
        await server.stop()
    finally:
        await server.end()
    assert len(list((server.folder / "paper").glob("*-photo.jpg"))) == 15
    assert leaks(server.log.read_text(), server.secrets) == []
    assert await installed.open_uploads() == []


async def sessions(server: Server) -> None:
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        login = await client.post("/api/login", json={"username": "boss", "password": ADMIN_PASSWORD})
        client.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
        for session, dialect in enumerate(DIALECTS):
            version = (await client.get("/api/slots/slot-001")).json()["version"]
            saved = await client.put("/api/slots/slot-001", json={"version": version, "response_dialect": dialect})
            assert saved.status_code == 200, saved.text
            shots = [f"{session}{number}.jpg" for number in range(5)]
            for seed, shot in enumerate(shots, start=5 * session):
                (server.folder / shot).write_bytes(jpeg(64, 48, seed=seed))
            ended = await server.run(
                *("booth", *shots, "--slot", "slot-001", "--url", server.url, "--every", "0", "--out", "paper"),
                *("--session", str(session), "--password-stdin"),
                stdin=SLOT_PASSWORD.encode(),
            )
            assert (ended.code, ended.err) == (0, "")
            assert [line.split("  ")[-1] for line in ended.out.splitlines()] == [f"transformed, {dialect}"] * 5
