"""Two `serve` on one PostgreSQL and one bucket, each with a data directory of its own, are one product."""

import asyncio
import io
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, NamedTuple

import httpx
import pytest

from tests.support.canary import leaks
from tests.support.pictures import jpeg
from tests.support.product import ADMIN_PASSWORD, SLOT_PASSWORD
from tests.support.production import Installation, installation
from tests.support.sender import photos, post
from tests.support.server import Server, until

pytestmark = [pytest.mark.s3, pytest.mark.timeout(240)]
ROUNDS, COPIES = 10, 20
POLL_SECONDS = 1.0
"""How often a joiner looks who hears nothing."""
JSON = {"Accept": "application/json"}
BOSS = {"username": "boss", "password": ADMIN_PASSWORD}
PIN = "4711"
DEAF = (
    "ALTER DATABASE {} SET search_path = public, pg_catalog",
    "CREATE FUNCTION public.pg_notify(text, text) RETURNS void LANGUAGE sql AS ''",
)
"""From its next connection on, whatever a process tells others is lost on the way."""
HEARING = ("DROP FUNCTION public.pg_notify(text, text)", "ALTER DATABASE {} RESET search_path")
RECONNECT = (
    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{}' AND pid <> pg_backend_pid()"
)
CONNECTED = "SELECT 1 FROM pg_stat_activity WHERE datname = $1 AND application_name = 'photochanger notices'"


class Pair(NamedTuple):
    installed: Installation
    machines: list[Server]
    clients: list[httpx.AsyncClient]
    admin: dict[str, str]

    async def ask(self, path: str, **options: Any) -> list[httpx.Response]:
        """Both, at once."""
        return await asyncio.gather(*(client.get(path, **options) for client in self.clients))

    async def codes(self, path: str, **options: Any) -> list[int]:
        return [answer.status_code for answer in await self.ask(path, **options)]

    async def photo(self) -> str:
        """The path of a new result; who sent it is nobody's concern."""
        answer = await post(self.clients[0], next(SUPPLY))
        assert answer.status_code == 200, answer.text
        return f"/public/results/{answer.headers['x-job-id']}"

    async def change(self, path: str, number: int = 0, **members: Any) -> None:
        """Changes settings or a slot on one of the two."""
        client = self.clients[number]
        version = (await client.get(path, headers=self.admin)).json()["version"]
        changed = await client.put(path, json={"version": version, **members}, headers=self.admin)
        assert changed.status_code == 200, changed.text


SUPPLY = photos()


@pytest.fixture(scope="session")
async def running(wanted: None, anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    async with installation(tmp_path_factory.mktemp("pair")) as installed:
        await installed.prepare()
        machines = [installed.machine(name) for name in ("here", "there")]
        try:
            await asyncio.gather(*(machine.start() for machine in machines))
            async with (
                httpx.AsyncClient(base_url=machines[0].url, timeout=60) as here,
                httpx.AsyncClient(base_url=machines[1].url, timeout=60) as there,
            ):
                token = (await here.post("/api/login", json=BOSS)).json()["access_token"]
                machines[0].secrets.add(token)
                yield Pair(installed, machines, [here, there], {"Authorization": f"Bearer {token}"})
        finally:
            for machine in machines:
                await machine.end()


@pytest.fixture
async def pair(running: Pair) -> AsyncIterator[Pair]:
    """Afterwards neither complains, and neither has told a secret."""
    seen = [len(machine.lines()) for machine in running.machines]
    yield running
    for machine, start in zip(running.machines, seen, strict=True):
        log = machine.log.read_text()
        assert leaks(log, running.machines[0].secrets) == []
        assert "Traceback" not in log
        assert [line for line in machine.lines()[start:] if line.get("level") == "error"] == []


async def race(pair: Pair, photo: bytes) -> list[float]:
    """One photo to both at once, many times: one job. The seconds that the other machine's joiners waited."""
    answers = await asyncio.gather(*(post(client, photo) for _ in range(COPIES // 2) for client in pair.clients))
    assert Counter(answer.status_code for answer in answers) == {200: COPIES}
    assert len({(answer.headers["x-job-id"], answer.content) for answer in answers}) == 1
    outcomes = [answer.headers["x-outcome"] for answer in answers]
    assert Counter(outcomes) == {"transformed": 1, "duplicate": COPIES - 1}
    others = answers[1 - outcomes.index("transformed") % 2 :: 2]
    found = [re.search(r"wait;dur=([\d.]+)", answer.headers["server-timing"]) for answer in others]
    return [float(match[1]) / 1000 for match in found if match]


async def test_a_photo_sent_to_both_at_once_is_one_job_and_a_joiner_hears_of_its_end_at_once(pair: Pair):
    before = await pair.installed.execute("SELECT id FROM jobs")
    waits = [wait for _ in range(ROUNDS) for wait in await race(pair, next(SUPPLY))]
    jobs = await pair.installed.execute(
        "SELECT status, count(*) FROM jobs WHERE NOT id = ANY($1) GROUP BY 1", [job_id for (job_id,) in before]
    )
    assert jobs == [("done", ROUNDS)]
    assert [wait for wait in waits if 0.02 < wait < POLL_SECONDS * 0.9]  # neither late nor at the next look


async def test_a_joiner_who_hears_nothing_looks(pair: Pair):
    async def run(*statements: str) -> None:
        for statement in (*statements, RECONNECT):
            await pair.installed.execute(statement.format(pair.installed.database))
        await until(both_are_connected, seconds=30)

    async def both_are_connected() -> bool:
        return len(await pair.installed.execute(CONNECTED, pair.installed.database)) == len(pair.machines)

    await run(*DEAF)
    try:
        async with pair.installed.overhearing() as heard:
            for seed in count():
                if any(wait >= POLL_SECONDS for wait in await race(pair, jpeg(1600, 1200, seed=seed))):
                    break
        assert heard == []
    finally:
        await run(*HEARING)


async def test_what_one_is_told_about_a_photo_holds_on_the_other_at_once(pair: Pair):
    path = await pair.photo()
    job = path.replace("/public/results", "/api/jobs")
    here, there = pair.clients
    for one, verb, expected in ((here, "hide", 404), (there, "show", 200), (there, "hide", 404), (here, "show", 200)):
        assert (await one.post(f"{job}/{verb}", headers=pair.admin)).status_code < 300
        assert await pair.codes(path) == [expected, expected]
        shown = [path in answer.text for answer in await pair.ask("/public/slots/slot-001", headers=JSON)]
        assert shown == [expected == 200] * 2


async def test_a_photo_is_over_on_both_in_the_same_second(pair: Pair):
    path = await pair.photo()
    end = (datetime.now(UTC) + timedelta(seconds=3)).replace(microsecond=0)
    changed = await pair.clients[0].put(
        path.replace("/public/results", "/api/jobs") + "/expiry",
        json={"expires_at": end.isoformat()},
        headers=pair.admin,
    )
    assert changed.status_code == 200, changed.text
    seen: set[tuple[int, int]] = set()
    while (asked_at := datetime.now(UTC)) < end + timedelta(seconds=0.5):
        codes = await pair.codes(path)
        answered_at = datetime.now(UTC)
        if answered_at < end:
            assert codes == [200, 200]
        if asked_at >= end:
            assert codes == [410, 410]
        seen.add((codes[0], codes[1]))
    assert (410, 410) in seen
    assert not [path for answer in await pair.ask("/public/slots/slot-001", headers=JSON) if path in answer.text]


async def test_who_signs_out_of_one_is_signed_out_of_both(pair: Pair):
    here, there = pair.clients
    for one, other in ((here, there), (there, here)):
        token = (await one.post("/api/login", json=BOSS)).json()["access_token"]
        pair.machines[0].secrets.add(token)
        signed_in = {"Authorization": f"Bearer {token}"}
        assert await pair.codes("/api/settings", headers=signed_in) == [200, 200]
        assert (await other.post("/api/logout", headers=signed_in)).status_code < 300
        assert await pair.codes("/api/settings", headers=signed_in) == [401, 401]


async def sent(pair: Pair, photo: bytes, **options: Any) -> list[int]:
    return [(await post(client, photo, **options)).status_code for client in pair.clients]


async def test_settings_and_slots_changed_on_one_hold_on_both(pair: Pair):
    large, small = next(photos(padding=2 * 2**20)), next(SUPPLY)
    limit = (await pair.clients[0].get("/api/settings", headers=pair.admin)).json()["upload_limit_mb"]
    await pair.change("/api/settings", 0, upload_limit_mb=1)
    assert await sent(pair, large) == [413, 413]
    await pair.change("/api/settings", 1, upload_limit_mb=limit)
    assert await sent(pair, large) == [200, 200]

    await pair.change("/api/slots/slot-001", 1, enabled=False)
    assert set(await sent(pair, small)) <= {403, 404, 409}
    await pair.change("/api/slots/slot-001", 0, enabled=True, password=SLOT_PASSWORD + "2")
    assert await sent(pair, small) == [401, 401]  # which both remembered
    assert await sent(pair, small, password=SLOT_PASSWORD + "2") == [200, 200]
    await pair.change("/api/slots/slot-001", 1, password=SLOT_PASSWORD)
    assert await sent(pair, small) == [200, 200]


async def test_wrong_pins_and_passwords_are_counted_by_both_together(pair: Pair):
    async def tried(path: str, **content: Any) -> list[int]:
        """One of the two after the other."""
        return [(await pair.clients[number % 2].post(path, **content)).status_code for number in range(7)]

    await pair.change("/api/slots/slot-002", gallery={"access": "pin", "pin": PIN})
    assert await tried("/public/slots/slot-002/pin", data={"pin": "0000"}) == [401] * 5 + [429] * 2
    assert await tried("/public/slots/slot-002/pin", data={"pin": PIN}) == [429] * 7
    wrong = {"username": "anna", "password": "wrong"}
    assert await tried("/api/login", json=wrong) == [401] * 5 + [429] * 2


async def test_both_clean_and_reconcile_at_once_without_harm(pair: Pair, product_log: io.StringIO):
    async def due() -> int:
        sql = "SELECT id FROM media WHERE expires_at <= now() AND evicted_at IS NULL"
        return len(await pair.installed.execute(sql))

    async def nothing_is_due() -> bool:
        return await due() == 0

    await until(nothing_is_due)  # what other tests let expire
    over = [(await pair.photo()).rpartition("/")[2] for _ in range(10)]
    await pair.installed.execute("UPDATE media SET expires_at = now() WHERE job_id = ANY($1)", over)
    total = await due()
    async with AsyncExitStack() as stack:
        opened = [pair.installed.parts(machine.data_dir) for machine in pair.machines]
        both = [await stack.enter_async_context(parts) for parts in opened]
        living, evicted, reconciled = await asyncio.gather(
            asyncio.gather(*(pair.photo() for _ in range(6))),
            asyncio.gather(*(parts.retention.evict_expired() for parts in both)),
            asyncio.gather(*(parts.reconciler.reconcile(whole_store=True) for parts in both)),
        )
    assert sum(done.count for done in evicted) == total >= 50
    assert [done.failed for done in evicted] == [0, 0]
    assert not any(done.changed or done.objects_missing for done in reconciled)
    assert '"level": "error"' not in product_log.getvalue()
    assert [await pair.codes(path) for path in living] == [[200, 200]] * 6
    assert await pair.installed.objects() == await pair.installed.kept_objects()


async def test_a_server_refuses_a_database_without_its_schema_and_two_may_migrate_at_once(installed: Installation):
    machines = [installed.machine(name) for name in ("here", "there")]
    refused = await machines[0].run("serve", "--port", "0")
    assert (refused.code, refused.out) == (2, "")
    assert "Run `photochanger migrate` first." in refused.err
    ended = await asyncio.gather(*(machine.run("migrate") for machine in machines))
    assert [end.code for end in ended] == [0, 0], ended
