"""A photo once more: a job of its own with the photo that was sent, as its slot is now."""

from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, update

from photochanger.adapters.providers.driver import Unavailable
from photochanger.core.ids import parse_id
from photochanger.features.galleries.models import AlbumItem
from photochanger.features.jobs.models import Job, JobClaim
from photochanger.features.media.models import Media
from tests.support import pictures
from tests.support.drivers import FakeDriver, Gate, step
from tests.support.imaging import difference
from tests.support.product import Product
from tests.support.results import Sent, code_of, send
from tests.support.server import until


async def ask(product: Product, job_id: str) -> httpx.Response:
    return await product.client.post(f"/api/jobs/{job_id}/rerun", headers=product.admin)


async def ended(product: Product, job_id: str) -> dict[str, Any]:
    async def is_over() -> bool:
        job = await product.parts.jobs.get(parse_id(job_id), past=True)
        return job.status != "processing" and job.late_until is None

    await until(is_over, seconds=60)
    return await product.job(job_id)


async def rerun(product: Product, job_id: str) -> dict[str, Any]:
    answer = await ask(product, job_id)
    assert answer.status_code == 200, answer.text
    return await ended(product, answer.json()["job_id"])


async def album_of(product: Product, job_id: str) -> list[UUID]:
    async with product.parts.database.read() as session:
        return list(await session.scalars(select(AlbumItem.album_id).where(AlbumItem.job_id == parse_id(job_id))))


async def source(product: Product, job_id: str) -> Media | None:
    async with product.parts.database.read() as session:
        found = select(Media).where(Media.job_id == parse_id(job_id), Media.kind == "source")
        return await session.scalar(found)


async def test_it_answers_at_once_with_a_job_of_its_own(studio: Product, driver: FakeDriver) -> None:
    photo, gate = await send(studio, fields={"ref": "card-0001"}), Gate(pictures.jpeg(64, 48, seed=9))
    driver.script = [gate]
    answer = await ask(studio, photo.job_id)
    job = answer.json()
    assert (answer.status_code, job["status"], job["rerun_of"]) == (200, "processing", photo.job_id)
    assert (job["ref"], job["result"], job["job_id"] == photo.job_id) == ("card-0001", None, False)
    gate.open.set()
    job = await ended(studio, job["job_id"])
    assert (job["status"], job["outcome"], job["cost_micros"]) == ("done", "transformed", 1000)
    assert difference(driver.calls[1].photo.data, driver.calls[0].photo.data) == 0
    new = (await studio.client.get(job["result"]["url"])).content
    assert difference(new, photo.bytes) > 1
    assert (await studio.client.get(photo.own_path)).content == photo.bytes
    shown = (await studio.client.get("/public/slots/slot-001")).json()["items"]
    assert {item["job_id"] for item in shown} == {photo.job_id, job["job_id"]}
    entries = (await studio.client.get("/api/audit?action=job.rerun", headers=studio.admin)).json()["items"]
    assert [(each["actor"], each["subject"], each["detail"]) for each in entries] == [
        ("boss", job["job_id"], {"rerun_of": photo.job_id})
    ]


async def test_it_runs_with_the_configuration_of_now_and_in_the_same_style(studio: Product, driver: FakeDriver) -> None:
    comic = {"name": "comic", "chain": [step(prompt="old comic")]}
    await studio.change_slot(styles=[comic])
    photo = await send(studio, fields={"style": "comic"})
    await studio.change_slot(styles=[comic | {"chain": [step(prompt="new comic {survey1}")]}])
    job = await rerun(studio, photo.job_id)
    assert (job["style"], "note" in job) == ("comic", False)
    await studio.change_slot(styles=[], chain=[step(prompt="plain")])
    job = await rerun(studio, photo.job_id)
    assert [call.prompt for call in driver.calls] == ["old comic", "new comic ", "plain"]
    assert ("style" in job, "comic" in job["note"]) == (False, True)


async def test_a_rerun_of_a_rerun_takes_the_first_photo(product: Product) -> None:
    photo = await send(product)
    first = await rerun(product, photo.job_id)
    again = await rerun(product, first["job_id"])
    assert (again["rerun_of"], again["status"]) == (first["job_id"], "done")
    assert await source(product, again["job_id"]) is None


@pytest.mark.usefixtures("no_second_try")
async def test_nobody_is_handed_the_original_instead(studio: Product, driver: FakeDriver) -> None:
    photo = await send(studio)
    await studio.change_slot(failure_policy="original")
    driver.script = [Unavailable("down")]
    job = await rerun(studio, photo.job_id)
    assert (job["status"], job["outcome"], job["failure"]["code"]) == ("failed", None, "provider-failed")


@pytest.mark.usefixtures("no_second_try")
async def test_what_failed_joins_its_album_when_it_is_run_again(studio: Product, driver: FakeDriver) -> None:
    photo = await send(studio, fields={"album": "Table 5"})
    driver.script = [Unavailable("down")]
    failed = await studio.send(pictures.jpeg(64, 48, seed=9), fields={"album": "Table 5"})
    assert failed.status_code == 502
    job = await rerun(studio, failed.headers["x-job-id"])
    (album,) = await album_of(studio, photo.job_id)
    shown = (await studio.client.get(f"/public/albums/{album}")).json()["items"]
    assert {item["job_id"] for item in shown} == {photo.job_id, job["job_id"]}


async def test_it_claims_nothing(product: Product) -> None:
    photo = await send(product)
    job = await rerun(product, photo.job_id)
    assert (await send(product)).job_id == photo.job_id  # the duplicate's answer is still the first job's
    async with product.parts.database.read() as session:
        claimed = set(await session.scalars(select(JobClaim.job_id)))
    assert claimed == {parse_id(photo.job_id)} != {parse_id(job["job_id"])}


@pytest.mark.parametrize("hours", [None, 0])
async def test_the_source_keeps_its_own_end(product: Product, hours: int | None) -> None:
    photo = await send(product)
    before = await source(product, photo.job_id)
    await product.change_slot(source_ttl_hours=hours)
    product.clock.advance(hours=1)
    await rerun(product, photo.job_id)
    await product.parts.retention.settled()
    after = await source(product, photo.job_id)
    assert before
    assert after
    assert (after.expires_at, after.evicted_at) == (before.expires_at, None)


async def gone_by_its_own_end(product: Product, _: Sent) -> None:
    product.clock.advance(hours=72)
    await product.sign_in()


async def gone_by_hand(product: Product, photo: Sent) -> None:
    await product.client.delete(f"/api/jobs/{photo.job_id}/result", headers=product.admin)


@pytest.mark.parametrize("how", [gone_by_its_own_end, gone_by_hand])
async def test_a_source_that_is_gone_is_told(product: Product, how: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product, "admin", product.admin)  # for the tests that share it
    photo = await send(product)
    of_it = await rerun(product, photo.job_id)
    await how(product, photo)
    for job_id in (photo.job_id, of_it["job_id"]):
        assert code_of(await ask(product, job_id)) == (409, "source-gone")


async def test_a_source_of_no_life_is_gone_when_its_job_ends(product: Product) -> None:
    await product.change_slot(source_ttl_hours=0)
    photo = await send(product)
    assert code_of(await ask(product, photo.job_id)) == (409, "source-gone")


async def test_a_source_that_is_deleted_under_it_fails_the_job(product: Product) -> None:
    photo = await send(product)
    kept = await source(product, photo.job_id)
    assert kept
    await product.parts.store.delete(kept.object_key)
    job = await rerun(product, photo.job_id)
    assert (job["status"], job["failure"]["code"]) == ("failed", "source-gone")


@pytest.mark.parametrize("job_id", ["01939e2b-0000-7000-8000-000000000001", "nonsense"])
async def test_an_unknown_job_is_not_found(product: Product, job_id: str) -> None:
    assert code_of(await ask(product, job_id)) == (404, "job-not-found")


async def test_only_an_administrator_may(product: Product) -> None:
    photo = await send(product)
    assert code_of(await product.client.post(f"/api/jobs/{photo.job_id}/rerun")) == (401, "login-required")


async def test_one_that_a_crash_left_is_closed_like_any_other(studio: Product, driver: FakeDriver) -> None:
    photo, gate = await send(studio), Gate()
    driver.restart(gate)
    job_id = (await ask(studio, photo.job_id)).json()["job_id"]
    await driver.called.wait()
    async with studio.parts.database.write() as session:
        await session.execute(update(Job).where(Job.id == parse_id(job_id)).values(runner_id="dead00000000"))
    studio.clock.advance(seconds=81)
    await studio.parts.reconciler.reconcile(whole_store=False)
    job = await studio.job(job_id)
    assert (job["status"], job["failure"]["code"]) == ("failed", "interrupted")
    assert [attempt["cost_micros"] for attempt in job["attempts"]] == [None]
    gate.open.set()
    await studio.parts.runner.drain()
    assert (await studio.job(job_id))["status"] == "failed"
