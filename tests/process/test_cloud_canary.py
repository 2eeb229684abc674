"""One server, every vendor, everything that vendors do wrong: nothing that was told in confidence is said to anybody.

Vendors quote keys, prompts and links in their errors, and everything a booth sends beside a photo is some person's.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import get_args

import httpx
import pytest
from argon2 import PasswordHasher

from photochanger.vendors.script import Act
from tests.support import booth
from tests.support.canary import leaks
from tests.support.drivers import step
from tests.support.pictures import jpeg
from tests.support.product import ADMIN_PASSWORD, SLOT_PASSWORD
from tests.support.server import Server
from tests.support.vendors import Vendors, running_vendors

LONG_WORK = ("endless", "gzip_bomb", "megapixels")
"""Without a word of the vendor; what the drivers say of them is searched in `test_cloud_contract`."""
ACTS = [act for act in get_args(Act) if act not in ("deliver", "thoughts", "flaky", *LONG_WORK)]
KEYS = {f"{name}_API_KEY": f"canary-key-of-{name.lower()}" for name in ("GEMINI", "OPENAI", "TURBOTEXT")}
GUEST = "Canaria Guestova"
PROMPT = "canary-prompt: a hero called {survey1}"
FILE_NAME = "canary-file.jpg"
HOOK = "canary-hook"
CHAINS = {
    "gemini": step("gemini", prompt=PROMPT, timeout_ms=2500),
    "openai": step("openai", prompt=PROMPT, timeout_ms=2500),
    "turbotext": step("turbotext", "generate_image2image", prompt=PROMPT, timeout_ms=5000),
}
SLOTS = dict(zip(CHAINS, ("slot-001", "slot-002", "slot-003"), strict=True))


class Event:
    """A server whose slots each ask one vendor, and all that it ever said."""

    def __init__(self, server: Server, vendors: Vendors, client: httpx.AsyncClient) -> None:
        self.server = server
        self.vendors = vendors
        self._client = client
        self.job_ids: list[str] = []
        self.said: list[str] = []

    async def ask(self, method: str, path: str, **options) -> httpx.Response:
        answer = await self._client.request(method, path, **options)
        if answer.headers["content-type"].partition("/")[0] != "image":
            self.said.append(f"{path.partition('?')[0]} {answer.headers} {answer.text}")
        return answer

    async def prepare(self) -> None:
        login = await self._client.post("/api/login", json={"username": "boss", "password": ADMIN_PASSWORD})
        token = login.json()["access_token"]
        self.server.secrets.add(token)
        self._client.headers["Authorization"] = f"Bearer {token}"
        places = {"provider_concurrency": dict.fromkeys(CHAINS, 50)}
        await self._save("/api/settings", **places)
        for vendor, slot in SLOTS.items():
            await self._save(f"/api/slots/{slot}", password=SLOT_PASSWORD, chain=[CHAINS[vendor]], max_concurrency=50)

    async def _save(self, path: str, **members) -> None:
        version = (await self._client.get(path)).json()["version"]
        saved = await self._client.put(path, json={"version": version, **members})
        assert saved.status_code == 200, saved.text

    async def post(self, slot: str, seed: int) -> int:
        answer = await self.ask(
            "POST",
            f"/api/ingest/{slot}?key={SLOT_PASSWORD}&survey2={GUEST}",
            data={**booth.TEXTS, "password": SLOT_PASSWORD, "survey1": GUEST},
            files={"fileToUpload": (FILE_NAME, jpeg(60, 40, seed=seed), "image/jpeg")},
        )
        self.job_ids.append(answer.headers["x-job-id"])
        return answer.status_code

    async def fail_in_every_way(self) -> None:
        """As many photos as acts, at once: a call that is made again takes one act more, so every act has its turn."""
        for vendor in CHAINS:
            await self.vendors.play(vendor, *ACTS)
        for slot in SLOTS.values():
            codes = await asyncio.gather(*(self.post(slot, seed) for seed in range(len(ACTS))))
            assert {422, 502} <= set(codes), codes

    async def look_everywhere(self) -> None:
        for path in (
            *(f"/api/jobs/{job_id}" for job_id in self.job_ids),
            *("/api/jobs?limit=100", "/api/audit?limit=100", "/api/stats/system", "/api/stats/slots", "/api/settings"),
            *("/healthz", "/metrics", "/", "/public/slots/slot-001", "/api/no-such-page?key=canary-key-of-nobody"),
        ):
            await self.ask("GET", path)


@pytest.fixture
async def event(tmp_path: Path) -> AsyncIterator[Event]:
    async with running_vendors() as vendors:
        environ = {
            **vendors.environ,
            **KEYS,
            "PUBLIC_BASE_URL": vendors.url,
            "ALERT_WEBHOOK_URL": f"http://127.0.0.1:9/{HOOK}",
            "RATE_LIMIT_INGEST_BURST": "1000",
        }
        server = Server(tmp_path, **environ)
        boss = {"username": "boss", "password_hash": PasswordHasher().hash(ADMIN_PASSWORD), "role": "admin"}
        server.credentials_file.write_text(json.dumps({"accounts": [boss]}))
        try:
            await server.start()
            async with httpx.AsyncClient(base_url=server.url, timeout=90) as client:
                vendors.product = httpx.AsyncClient(base_url=server.url)
                event = Event(server, vendors, client)
                await event.prepare()
                yield event
                await vendors.product.aclose()
        finally:
            await server.end()


async def test_whatever_vendors_do_nothing_confidential_is_said(event: Event):
    await event.fail_in_every_way()
    await event.look_everywhere()
    played = {(call["vendor"], call["did"]) for call in (await event.vendors.log())["calls"]}
    assert {(vendor, "echo") for vendor in CHAINS} <= played
    assert len(played) >= len(ACTS)
    tokens = [path.rpartition("/")[2] for path, *_ in event.vendors.fetched]
    assert tokens
    assert any("Unsupported prompt: …" in each for each in event.said)  # vendors' words, without what they repeat
    secrets = [*KEYS.values(), *GUEST.split(), "canary-prompt", FILE_NAME, HOOK, *tokens, *event.server.secrets]
    await event.server.stop()
    log = event.server.log.read_text()
    assert "Traceback" not in log
    assert leaks(log, secrets) == []
    words = re.compile("|".join([*map(re.escape, (*secrets, *booth.PRIVATE_TEXTS)), r"/public/inputs/\w"]))
    assert [found[0] for found in map(words.search, event.said) if found] == []
