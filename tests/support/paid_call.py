"""Power that goes while a vendor works: what is known of the call afterwards, and what its sender gets."""

import asyncio

import httpx

from tests.support.drivers import step
from tests.support.product import ADMIN_PASSWORD
from tests.support.sender import photos, post
from tests.support.server import Server, until
from tests.support.vendors import Vendors, running_vendors


async def cut_while_a_vendor_works(server: Server) -> None:
    """`server` does not run; it has the administrator `boss` and a password for `slot-001`."""
    photo = next(photos())
    async with running_vendors() as vendors:
        server.environ |= vendors.environ
        await vendors.play("gemini", "no_image", "hang")
        await server.start()
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
            login = await client.post("/api/login", json={"username": "boss", "password": ADMIN_PASSWORD})
            admin = {"Authorization": f"Bearer {login.json()['access_token']}"}
            version = (await client.get("/api/slots/slot-001", headers=admin)).json()["version"]
            chain = [step("gemini", prompt="x")]
            saved = await client.put("/api/slots/slot-001", json={"version": version, "chain": chain}, headers=admin)
            assert saved.status_code == 200, saved.text
            sending = asyncio.create_task(post(client, photo))
            await until(lambda: _is_called(vendors, 2), seconds=60)
            await server.kill()
            assert isinstance((await asyncio.gather(sending, return_exceptions=True))[0], httpx.TransportError)
        await server.start()
        async with httpx.AsyncClient(base_url=server.url, timeout=60, headers=admin) as client:
            await _is_told_truthfully(client)
            await _gets_its_photo(client, photo, vendors)


async def _is_called(vendors: Vendors, times: int) -> bool:
    return len((await vendors.log())["calls"]) == times


async def _is_told_truthfully(client: httpx.AsyncClient) -> None:
    item, *_ = (await client.get("/api/jobs")).json()["items"]
    job = (await client.get(f"/api/jobs/{item['job_id']}")).json()
    assert (job["status"], job["failure"]["code"]) == ("failed", "interrupted")
    calls = [(attempt["outcome"], attempt["cost_micros"]) for attempt in job["attempts"]]
    assert calls == [("no_image", 0), ("cancelled", None)]
    assert job["cost_micros"] == 0  # what is known of it
    slot = (await client.get("/api/stats/slots")).json()["items"][0]
    assert slot["cost_unknown"] == 1


async def _gets_its_photo(client: httpx.AsyncClient, photo: bytes, vendors: Vendors) -> None:
    answer = await post(client, photo)
    assert (answer.status_code, answer.headers["x-outcome"]) == (200, "transformed"), answer.text
    jobs = (await client.get("/api/jobs")).json()["items"]
    assert [job["status"] for job in jobs[:2]] == ["done", "failed"]
    assert jobs[0]["job_id"] == answer.headers["x-job-id"]
    assert await _is_called(vendors, 3)
