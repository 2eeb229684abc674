"""`/api/stats`: the product's numbers after photos, and after rows that stand for them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import product as product_of
from pathlib import Path
from typing import Any

import pytest

from photochanger.adapters.providers.driver import TimedOut
from photochanger.core.ids import new_id
from tests.support.drivers import FakeDriver, Gate, step
from tests.support.ledger import call, ended_job, keep
from tests.support.pictures import jpeg
from tests.support.product import Product, SharedImaging, running_product

SYSTEM, SLOTS = "/api/stats/system", "/api/stats/slots"


@pytest.fixture(scope="module")
def driver() -> FakeDriver:
    return FakeDriver()


@pytest.fixture
async def product(tmp_path: Path, shared_imaging: SharedImaging, driver: FakeDriver) -> AsyncIterator[Product]:
    driver.restart()
    async with running_product(tmp_path / "data", shared_imaging, providers=[driver]) as product:
        yield product


async def ask(product: Product, path: str = SYSTEM, **params: Any) -> dict[str, Any]:
    """A moment later: a window ends before the moment in which it is asked for."""
    product.clock.advance(seconds=1)
    answer = await product.client.get(path, params=params, headers=product.admin)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_photos_that_were_sent_are_told(product: Product, driver: FakeDriver):
    await product.change_slot(chain=[step()])
    photo = jpeg(60, 40)
    sent = await product.send(photo)
    assert sent.status_code == 200, sent.text
    assert (await product.send(photo)).headers["x-outcome"] == "duplicate"  # one photo
    driver.restart(TimedOut("slow"))
    failed = await product.send(jpeg(60, 41))
    assert failed.status_code == 502
    refused = await product.send(b"not a photo")
    assert refused.status_code == 415

    stats = await ask(product)
    counts = {name: stats[name] for name in ("received", "delivered", "failed", "timeout", "rejected")}
    assert counts == {"received": 3, "delivered": 1, "failed": 1, "timeout": 0, "rejected": 1}
    assert stats["delivered_share"] == pytest.approx(1 / 3)
    assert stats["active"] == {"receiving": 0, "waiting": 0, "processing": 0}
    assert (stats["cost_micros"], stats["cost_per_delivered_micros"]) == (1000, 1000)
    assert stats["cost_unknown"] == 1  # the call that was cut
    assert stats["storage_bytes"] == await product.stored_bytes()
    assert stats["window_minutes"] == 60
    assert (stats["since"], stats["until"]) == ("2026-11-21T07:30:01Z", "2026-11-21T08:30:01Z")
    ids = [answer.headers["x-job-id"] for answer in (sent, failed, refused)]
    assert {job["job_id"] for job in stats["recent_jobs"]} == set(ids)
    failures = {failure["job_id"]: failure for failure in stats["recent_failures"]}
    assert failures.keys() == set(ids[1:])
    told = failures[ids[1]]
    assert (told["code"], told["slot_id"], told["provider"]) == ("provider-failed", "slot-001", "fake")
    assert told["detail"]
    assert (failures[ids[2]]["code"], failures[ids[2]]["provider"]) == ("unsupported-image", None)


async def test_each_slot_has_its_own_numbers(product: Product):
    now = product.clock.now()
    rows = [ended_job(now, slot="slot-002", cost_micros=30), ended_job(now, "timeout", slot="slot-003")]
    await keep(product.parts.database, *rows, ended_job(now, slot="slot-002", is_test=True))
    items = {item["slot_id"]: item for item in (await ask(product, SLOTS))["items"]}
    assert list(items) == [f"slot-{number:03}" for number in range(1, 16)]
    assert [items[f"slot-00{n}"]["received"] for n in (1, 2, 3)] == [0, 1, 1]
    assert (items["slot-002"]["cost_micros"], items["slot-002"]["delivered_share"]) == (30, 1.0)
    assert [each["job_id"] for each in items["slot-003"]["recent_failures"]] == [str(rows[1].id)]
    assert [each["job_id"] for each in items["slot-002"]["recent_jobs"]] == [str(rows[0].id)]
    assert items["slot-001"]["delivered_share"] is None
    times = {"since": None, "until": None}
    [alone] = (await ask(product, SLOTS, slot_id="slot-002"))["items"]
    assert alone | times == items["slot-002"] | times
    same = await ask(product, slot_id="slot-002")
    assert same | times == {name: value for name, value in (alone | times).items() if name not in ("slot_id", "name")}
    assert (await ask(product, SLOTS, slot_id="nobody"))["items"] == []
    assert (await ask(product, slot_id="nobody"))["received"] == 0


async def test_a_photo_answered_with_its_original_counts_as_its_failure(product: Product, driver: FakeDriver):
    await product.change_slot(chain=[step()], failure_policy="original")
    driver.restart(TimedOut("slow"))
    assert (await product.send(jpeg(60, 40))).headers["x-outcome"] == "original"
    stats = await ask(product)
    assert (stats["received"], stats["delivered"], stats["failed"]) == (1, 0, 1)
    assert stats["p50_ms"] is None


async def test_waits_are_told_as_percentiles_of_delivered_photos(product: Product):
    now = product.clock.now()
    delivered = [ended_job(now, wait_ms=wait) for wait in range(1000, 101_000, 1000)]
    await keep(product.parts.database, *delivered, ended_job(now, "timeout", wait_ms=50_000))
    stats = await ask(product)
    assert stats["p50_ms"] == pytest.approx(50_000, rel=1 / 64)
    assert stats["p95_ms"] == pytest.approx(95_000, rel=1 / 64)
    assert len(stats["recent_jobs"]) == 20


async def test_a_window_holds_what_was_received_in_it(product: Product):
    now = product.clock.now()
    for minutes in (4, 50, 2000):
        await keep(product.parts.database, ended_job(now - timedelta(minutes=minutes)))
    assert (await ask(product, window_minutes=5))["received"] == 1
    assert (await ask(product))["received"] == 2
    assert (await ask(product, window_minutes=1999))["received"] == 2
    await product.parts.rollup.roll_up()
    assert (await ask(product, window_minutes=2001))["received"] == 3
    assert (await ask(product, window_minutes=43_200))["received"] == 3


async def test_what_goes_on_just_now_is_told(product: Product, driver: FakeDriver):
    await product.change_slot(chain=[step()], max_concurrency=1)
    gate, arrives = Gate(), asyncio.Event()
    driver.restart(gate, gate)

    async def slow_photo() -> AsyncIterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="password"\r\n\r\nslot pass-w\xc3\xb6rd 1\r\n'
        await arrives.wait()

    posts = [asyncio.create_task(product.send(jpeg(60, 40 + n))) for n in range(2)]
    url, headers = "/api/ingest/slot-002", {"Content-Type": "multipart/form-data; boundary=b"}
    uploading = asyncio.create_task(product.client.post(url, content=slow_photo(), headers=headers))
    wanted = {"receiving": 1, "waiting": 1, "processing": 1}
    async with asyncio.timeout(30):
        while (found := (await ask(product))["active"]) != wanted:  # noqa: ASYNC110 – asked until it is so
            await asyncio.sleep(0.05)
    of_slots = {item["slot_id"]: item["active"] for item in (await ask(product, SLOTS))["items"]}
    assert of_slots["slot-001"] == {"receiving": 0, "waiting": 1, "processing": 1}
    assert of_slots["slot-002"] == {"receiving": 1, "waiting": 0, "processing": 0}
    assert found == wanted
    gate.open.set()
    arrives.set()
    assert [answer.status_code for answer in await asyncio.gather(*posts)] == [200, 200]
    await uploading
    assert (await ask(product))["active"] == {"receiving": 0, "waiting": 0, "processing": 0}


async def test_a_wrong_window_is_refused(product: Product):
    for path, window in product_of((SYSTEM, SLOTS), ("4", "43201", "x", "60.5")):
        answer = await product.client.get(path, params={"window_minutes": window}, headers=product.admin)
        assert (answer.status_code, answer.json()["code"]) == (422, "validation-failed")
        assert [error["field"] for error in answer.json()["errors"]] == ["window_minutes"]


async def test_a_call_of_the_day_counts_anew_also_where_its_photo_came_the_hour_before(product: Product):
    day = product.clock.now().replace(hour=6, minute=0)
    await product.change_settings(time_zone="Europe/Berlin", day_starts_at="07:00")
    over = ended_job(day - timedelta(seconds=10), cost_micros=1)
    await keep(
        product.parts.database, over, call(over, provider="gemini", cost_micros=1, started_at=day, id=new_id(day))
    )
    product.clock.advance(hours=1)
    await product.parts.rollup.roll_up()
    assert await product.parts.ledger.recompute(day.date()) == 1
    assert (await ask(product, window_minutes=1441))["cost_micros"] == 34_000


async def test_costs_of_a_day_are_written_anew_from_usage_and_prices(product: Product):
    day = product.clock.now().replace(hour=6, minute=0)
    await product.change_settings(time_zone="Europe/Berlin", day_starts_at="07:00")
    inside = ended_job(day, cost_micros=1)
    before = ended_job(day - timedelta(seconds=1), cost_micros=1)
    calls = [
        call(inside, 1, provider="gemini", cost_micros=None, outcome="timed_out"),
        call(inside, 2, provider="gemini", cost_micros=1, usage={"image_size": "4K"}),
        call(before, provider="gemini", cost_micros=1),
    ]
    unpriced = ended_job(day, cost_micros=5)
    await keep(product.parts.database, inside, before, unpriced, *calls, call(unpriced, provider="fake", cost_micros=5))
    product.clock.advance(hours=1)
    await product.parts.rollup.roll_up()
    assert await product.parts.ledger.recompute(day.date()) == 1
    jobs = {job["job_id"]: job["cost_micros"] for job in await product.jobs()}
    assert jobs == {str(inside.id): 240_000, str(before.id): 1, str(unpriced.id): 5}
    attempts = (await product.job(str(inside.id)))["attempts"]
    assert [attempt["cost_micros"] for attempt in attempts] == [None, 240_000]
    stats = await ask(product, window_minutes=1441)
    assert (stats["cost_micros"], stats["cost_unknown"]) == (240_006, 1)
    assert await product.parts.ledger.recompute(day.date()) == 0
