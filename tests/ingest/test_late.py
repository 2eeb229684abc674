"""A photo that comes after its window: the sender is told in time, and the gallery still gets it."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from photochanger.adapters.providers.driver import NoImage, Unavailable
from photochanger.core.ids import parse_id
from photochanger.features.ingest import rerun, trial
from photochanger.features.jobs.models import Job
from tests.ingest.test_ingest_window import PHOTO, send_late
from tests.support.clock import FakeClock, RunningClock
from tests.support.drivers import FakeDriver, Gate, hang, step
from tests.support.faults import FaultyDatabase
from tests.support.product import Product
from tests.support.server import until

WINDOW = 10


@pytest.fixture(scope="module")
def clock() -> FakeClock:
    return RunningClock()


@pytest.fixture
async def late(studio: Product) -> Product:
    await studio.change_slot(sync_response_seconds=WINDOW, late_delivery=True)
    return studio


async def gallery(product: Product) -> list[str]:
    found = (await product.client.get("/public/slots/slot-001")).json()
    return [item["job_id"] for item in found["items"]]


async def ended(product: Product, job_id: str) -> dict[str, Any]:
    """The job, once nobody waits for its photo any more."""

    async def is_over() -> bool:
        return (await product.parts.jobs.get(parse_id(job_id), past=True)).late_until is None

    await until(is_over, seconds=20)
    return await product.job(job_id)


async def test_a_late_photo_enters_the_gallery_and_its_job_stays_a_timeout(late: Product, driver: FakeDriver) -> None:
    gate = Gate()
    driver.script = [gate]
    answer, _ = await send_late(late, left=1.5)
    job_id = answer.headers["x-job-id"]
    assert (answer.status_code, answer.json()["code"]) == (504, "provider-timeout")
    assert await gallery(late) == []
    assert (await late.job(job_id))["attempts"][0]["cost_micros"] is None
    gate.open.set()
    job = await ended(late, job_id)
    assert (job["status"], job["outcome"], job["failure"]["code"]) == ("timeout", "late", "provider-timeout"), job
    assert await gallery(late) == [job_id]
    assert (await late.client.get(f"/public/results/{job_id}")).status_code == 200
    assert [attempt["outcome"] for attempt in job["attempts"]] == ["delivered"]
    assert (job["cost_micros"], len(driver.calls), driver.cancelled_count) == (1000, 1, 0)


async def test_where_the_original_was_answered_the_late_photo_is_a_job_of_its_own(
    late: Product, driver: FakeDriver
) -> None:
    await late.change_slot(failure_policy="original", late_delivery=None)
    gate = Gate()
    driver.script = [gate]
    answer, _ = await send_late(late, left=3.5)
    job_id = answer.headers["x-job-id"]
    assert (answer.status_code, answer.headers["x-outcome"]) == (200, "original")
    original = (await late.client.get(answer.headers["x-result-url"])).content
    gate.open.set()
    job = await ended(late, job_id)
    assert (job["status"], job["outcome"], job["cost_micros"]) == ("timeout", "original", 1000)
    assert (await late.client.get(answer.headers["x-result-url"])).content == original == answer.content
    [own] = [other for other in await late.jobs() if other["job_id"] != job_id]
    assert (own["rerun_of"], own["outcome"], own["status"], own["cost_micros"]) == (job_id, "late", "done", 0)
    assert sorted(await gallery(late)) == sorted([own["job_id"], job_id])


async def test_a_rerun_may_be_late_and_is_never_answered_with_the_original(
    late: Product, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await late.change_slot(failure_policy="original", late_delivery=None)
    photo, gate = await late.send(PHOTO), Gate()
    monkeypatch.setattr(rerun, "window_seconds", lambda *_: 0.5)
    driver.script = [gate]
    answer = await late.client.post(f"/api/jobs/{photo.headers['x-job-id']}/rerun", headers=late.admin)
    job_id = answer.json()["job_id"]

    async def is_over() -> bool:
        return (await late.parts.jobs.get(parse_id(job_id))).status != "processing"

    await until(is_over, seconds=20)
    job = await late.job(job_id)
    assert (job["status"], job["outcome"]) == ("timeout", None)
    gate.open.set()
    job = await ended(late, job_id)
    assert (job["status"], job["outcome"], job["cost_micros"]) == ("timeout", "late", 1000)


async def test_a_test_run_is_never_late(late: Product, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    await late.change_slot(late_delivery=None)
    monkeypatch.setattr(trial, "window_seconds", lambda slot, _: 0.5 if slot.config.late_delivery else 50)
    driver.script = [hang]
    data, files = {"slot": '{"late_delivery": true}'}, {"photo": PHOTO}
    answer = await late.client.post("/api/slots/slot-001/test-run", data=data, files=files, headers=late.admin)
    assert (answer.status_code, answer.json()["code"]) == (504, "provider-timeout")
    job = await late.parts.jobs.get(parse_id(answer.headers["x-job-id"]))
    assert (job.status, job.late_until) == ("timeout", None)


async def test_the_photo_sent_again_gets_the_late_one(late: Product, driver: FakeDriver) -> None:
    await late.change_slot(failure_policy="original", late_delivery=None)
    gate = Gate()
    driver.script = [gate]
    answer, _ = await send_late(late, left=3.5)
    gate.open.set()
    await ended(late, answer.headers["x-job-id"])
    again = await late.send(PHOTO)
    assert (again.status_code, again.headers["x-outcome"], len(driver.calls)) == (200, "duplicate", 1)
    assert (await late.job(again.headers["x-job-id"]))["rerun_of"] == answer.headers["x-job-id"]
    late.clock.advance(seconds=1)
    counted = (await late.client.get("/api/stats/system", headers=late.admin)).json()
    assert (counted["received"], counted["timeout"]) == (1, 1)


@pytest.mark.parametrize("act", ["hide", "remove"])
async def test_what_was_hidden_or_removed_meanwhile_does_not_come_back(
    late: Product, driver: FakeDriver, act: str
) -> None:
    await late.change_slot(failure_policy="original", late_delivery=None)
    gate = Gate()
    driver.script = [gate]
    answer, _ = await send_late(late, left=3.5)
    path = f"/api/jobs/{answer.headers['x-job-id']}"
    if act == "hide":
        assert (await late.client.post(f"{path}/hide", headers=late.admin)).status_code == 200
    else:
        assert (await late.client.delete(f"{path}/result", headers=late.admin)).status_code == 204
    gate.open.set()
    await ended(late, answer.headers["x-job-id"])
    assert await gallery(late) == []
    assert len(await late.jobs()) == (2 if act == "hide" else 1)


async def test_a_database_that_is_away_when_the_window_closes_costs_no_photo(
    late: Product, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    driver.script = [gate]
    faulty = FaultyDatabase(late.parts.database, "", "refused")
    monkeypatch.setattr(late.parts.runner._finish, "_database", faulty)
    answer, _ = await send_late(late, left=1.5)
    assert (answer.status_code, answer.json()["code"]) == (503, "database-unavailable")
    gate.open.set()

    async def is_there() -> bool:
        return bool(await gallery(late))

    await until(is_there, seconds=20)
    assert (await late.job(answer.headers["x-job-id"]))["outcome"] == "late"
    assert len(driver.calls) == 1


async def test_after_the_window_the_same_retries_hold(late: Product, driver: FakeDriver) -> None:
    gate = Gate(NoImage("only words"))
    driver.script = [gate, Unavailable("503")]
    answer, _ = await send_late(late, left=1.5)
    assert answer.status_code == 504
    gate.open.set()
    job = await ended(late, answer.headers["x-job-id"])
    assert [attempt["outcome"] for attempt in job["attempts"]] == ["no_image", "unavailable", "delivered"]
    assert job["outcome"] == "late"


@pytest.mark.parametrize("members", [{"late_delivery": False}, {"late_delivery": None}])
async def test_a_slot_that_wants_none_has_none(late: Product, driver: FakeDriver, members: dict[str, Any]) -> None:
    await late.change_slot(**members)
    driver.script = [hang]
    answer, _ = await send_late(late, left=1.5)
    assert answer.status_code == 504
    assert driver.cancelled_count == 1
    assert (await ended(late, answer.headers["x-job-id"]))["attempts"][0]["outcome"] == "timed_out"


async def test_the_same_photo_joins_what_is_still_on_its_way(late: Product, driver: FakeDriver) -> None:
    gate = Gate()
    driver.script = [gate]
    first, _ = await send_late(late, left=1.5)
    assert first.status_code == 504
    gate.open.set()
    again = await late.send(PHOTO)
    assert (again.status_code, again.headers["x-outcome"]) == (200, "duplicate")
    assert again.headers["x-job-id"] == first.headers["x-job-id"]
    assert len(driver.calls) == 1


async def test_the_places_in_the_slot_and_at_the_provider_are_free_for_the_next_guest(
    late: Product, driver: FakeDriver
) -> None:
    await late.change_slot(max_concurrency=1)
    await late.change_settings(provider_concurrency={"fake": 1})
    driver.script = [hang]
    assert (await send_late(late, left=1.5))[0].status_code == 504
    assert (await late.send(PHOTO + b"\0")).status_code == 200
    await late.parts.runner.drain()
    assert driver.cancelled_count == 1


async def test_a_server_that_ends_gives_a_late_photo_up_and_says_so(late: Product, driver: FakeDriver) -> None:
    driver.script = [hang]
    answer, _ = await send_late(late, left=1.5)
    await late.parts.runner.drain()
    job = await ended(late, answer.headers["x-job-id"])
    assert (job["status"], job["outcome"]) == ("timeout", None)
    assert [attempt["cost_micros"] for attempt in job["attempts"]] == [None]
    assert (await late.send(PHOTO)).headers["x-outcome"] == "transformed"


async def test_what_a_dead_process_promised_is_given_up_by_the_sweep(late: Product, driver: FakeDriver) -> None:
    driver.script = [hang]
    answer, _ = await send_late(late, left=1.5)
    await late.parts.runner.drain()
    job_id = parse_id(answer.headers["x-job-id"])
    promised = {"late_until": late.clock.now() + timedelta(seconds=300), "runner_id": "dead00000000"}
    async with late.parts.database.write() as session:
        await session.execute(update(Job).where(Job.id == job_id).values(promised))
    await late.parts.reconciler.reconcile(whole_store=False)
    assert (await late.parts.jobs.get(job_id, past=True)).late_until is not None
    late.clock.advance(seconds=331)
    await late.parts.reconciler.reconcile(whole_store=False)
    assert (await late.parts.jobs.get(job_id, past=True)).late_until is None


async def test_a_style_has_a_chain_of_its_own_and_the_guests_words_stand_in_the_prompt(
    studio: Product, driver: FakeDriver
) -> None:
    await studio.change_slot(
        chain=[step(prompt="plain {hero} {survey1}")],
        styles=[{"name": "comic", "chain": [step(prompt="comic {hero}")]}],
        variables=[{"name": "hero", "default": "a wizard"}],
    )
    sent = await studio.send(PHOTO, fields={"style": "comic", "survey1": "x"}, params={"hero": 'Bob "B"'})
    unknown = await studio.send(PHOTO + b"\0", fields={"style": "nobody's", "survey1": "Anna"})
    assert [call.prompt for call in driver.calls] == ["comic Bob ”B”", "plain a wizard Anna"]
    first = await studio.parts.jobs.get(parse_id(sent.headers["x-job-id"]))
    second = await studio.parts.jobs.get(parse_id(unknown.headers["x-job-id"]))
    assert (first.style, first.note, second.style) == ("comic", None, None)
    assert "nobody's" in str(second.note)
