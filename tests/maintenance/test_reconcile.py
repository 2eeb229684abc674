"""After a crash: what a dead process left is closed at once, what a living one has is left alone."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import delete, select, update

from photochanger.features.ingest.opening import source_expiry
from photochanger.features.jobs.models import Job, Runner
from photochanger.features.jobs.service import jobs_in
from photochanger.features.maintenance.reconcile import Reconciled
from photochanger.features.media.keys import object_key
from photochanger.features.media.models import Media
from tests.support.audit import entries
from tests.support.product import Product, SharedImaging, running_product
from tests.support.results import send
from tests.support.streams import PausedStream, stream

DEAD, LIVING, FAR = "dead00000000", "1111aa000000", "fa0000000000"


@pytest.fixture
async def neighbour(product: Product) -> AsyncIterator[None]:
    """Another living process on this machine."""
    file = product.data_dir / "runners" / f"{LIVING}.lock"
    handle = os.open(file, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    await add_runner(product, LIVING)
    yield
    os.close(handle)


async def add_runner(product: Product, runner_id: str, *, home: str | None = None) -> None:
    async with product.parts.database.write() as session:
        own = (await session.scalars(select(Runner).where(Runner.runner_id == product.parts.runners.runner_id))).one()
        session.add(Runner(runner_id=runner_id, home=home or own.home, beat_at=product.clock.now()))


async def die(product: Product, runner_id: str = DEAD) -> None:
    """A process that was here and is no more: its row, and its lock file that nobody holds."""
    await add_runner(product, runner_id)
    (product.data_dir / "runners" / f"{runner_id}.lock").touch()


async def running_job(product: Product, runner_id: str) -> str:
    """A job as a process has it while the provider works."""
    photo = await send(product, seed=int(runner_id[:4], 16))
    values = {
        "status": "processing", "runner_id": runner_id, "outcome": None, "finished_at": None, "duration_ms": None,
        "result": None, "deadline_at": product.clock.now() + timedelta(seconds=50),
    }  # fmt: skip
    async with product.parts.database.write() as session:
        await session.execute(update(Job).where(Job.id == UUID(photo.job_id)).values(values))
        await session.execute(delete(Media).where(Media.job_id == UUID(photo.job_id), Media.kind != "source"))
    return photo.job_id


async def lone_object(product: Product, runner_id: str, made_at: datetime | None = None) -> str:
    key = object_key("result", "slot-001", made_at or product.clock.now(), runner_id, "jpg")
    await product.parts.store.put(key, stream(b"bytes"), content_type="image/jpeg")
    return key


async def reconcile(product: Product, *, whole_store: bool = False) -> Reconciled:
    return await product.parts.reconciler.reconcile(whole_store=whole_store)


async def test_a_job_of_a_dead_process_is_closed_at_once(product: Product):
    await die(product)
    job_id = await running_job(product, DEAD)
    product.clock.advance(seconds=2)
    with product.parts.notices.listen(f"job:{job_id}") as noticed:
        done = await reconcile(product)
    assert noticed.is_set()
    assert (done.jobs_closed, done.runners_forgotten) == (1, 1)
    job = await product.job(job_id)
    assert (job["status"], job["failure"]["code"], job["duration_ms"]) == ("failed", "interrupted", 2000)
    assert job["finished_at"] == "2026-11-21T08:30:02Z"
    assert "job.interrupted" in [entry.action for entry in await entries(product.parts.database, subject=job_id)]


async def test_an_interrupted_photo_may_be_sent_again(product: Product):
    await die(product)
    job_id = await running_job(product, DEAD)
    await reconcile(product)
    again = await send(product, seed=int(DEAD[:4], 16))
    assert again.job_id != job_id


async def test_a_job_of_a_living_process_is_left_until_long_past_its_deadline(product: Product, neighbour):
    ours = await running_job(product, product.parts.runners.runner_id)
    theirs = await running_job(product, LIVING)
    product.clock.advance(seconds=80)
    assert not (await reconcile(product, whole_store=True)).changed
    product.clock.advance(seconds=1)
    assert (await reconcile(product)).jobs_closed == 2
    assert {(await product.job(job_id))["failure"]["code"] for job_id in (ours, theirs)} == {"interrupted"}


async def test_a_process_on_another_machine_is_dead_when_its_heartbeat_is_30_seconds_old(product: Product):
    await add_runner(product, FAR, home="elsewhere")
    await running_job(product, FAR)
    product.clock.advance(seconds=30)
    assert (await reconcile(product)).jobs_closed == 0
    product.clock.advance(seconds=0.5)
    assert (await reconcile(product)).jobs_closed == 1


async def test_objects_without_a_row_go_at_once_where_their_process_is_dead(product: Product, neighbour):
    kept = (await send(product)).path
    before = await product.stored_files()
    await die(product)
    orphan = await lone_object(product, DEAD)
    young = await lone_object(product, LIVING)
    assert (await reconcile(product)).objects_deleted == 1
    assert await product.stored_files() == sorted([*before, young])
    assert orphan not in await product.stored_files()
    assert (await product.client.get(kept)).status_code == 200


async def test_a_living_processs_object_without_a_row_is_left_for_an_hour(product: Product, neighbour):
    orphan = await lone_object(product, LIVING)
    product.clock.advance(hours=1)
    assert (await reconcile(product, whole_store=True)).objects_deleted == 0
    product.clock.advance(seconds=1)
    assert (await reconcile(product)).objects_deleted == 0  # the store is walked once an hour only
    assert (await reconcile(product, whole_store=True)).objects_deleted == 1
    assert orphan not in await product.stored_files()


@pytest.mark.own_times
async def test_objects_of_nobody_known_go_after_the_hour_too(product: Product):
    await product.parts.store.put("result/slot-001/photo.jpg", stream(b"x"), content_type="image/jpeg")
    await lone_object(product, "0123456789ab")
    assert (await reconcile(product, whole_store=True)).objects_deleted == 0
    product.clock.advance(hours=1, seconds=1)
    assert (await reconcile(product, whole_store=True)).objects_deleted == 2


@pytest.mark.own_times
async def test_open_uploads_are_aborted_with_their_process_or_after_three_minutes(product: Product, neighbour):
    await die(product)
    uploads = {}
    for runner_id in (DEAD, LIVING):
        paused = PausedStream(b"x" * (9 * 2**20))
        key = object_key("source", "slot-001", product.clock.now(), runner_id, "jpg")
        put = asyncio.create_task(product.parts.store.put(key, paused.chunks(), content_type="image/jpeg"))
        await paused.paused.wait()
        uploads[runner_id] = put
    assert (await reconcile(product)).uploads_aborted == 1
    [left] = [upload async for upload in product.parts.store.open_uploads()]
    assert LIVING in left.key
    product.clock.advance(minutes=3)
    assert (await reconcile(product)).uploads_aborted == 0
    product.clock.advance(seconds=1)
    assert (await reconcile(product)).uploads_aborted == 1
    for put in uploads.values():
        put.cancel()
        with suppress(asyncio.CancelledError):
            await put
    assert await product.stored_files() == []


async def test_a_row_whose_object_is_missing_is_reported_and_kept(product: Product):
    photo = await send(product)
    [lost] = [name for name in await product.stored_files() if name.startswith("source/")]
    await product.parts.store.delete(lost)
    for _ in range(2):
        done = await reconcile(product, whole_store=True)
        assert (done.objects_missing, done.changed) == (1, False)
    assert (await product.client.get(photo.path)).status_code == 200


async def test_an_evicted_object_is_not_missing(product: Product):
    await send(product)
    product.clock.advance(hours=72)
    await product.parts.retention.evict_expired()
    assert (await reconcile(product, whole_store=True)).objects_missing == 0


async def test_of_a_dead_process_nothing_is_left(product: Product, neighbour):
    await die(product)
    rowless = product.data_dir / "runners" / "beef00000000.lock"
    rowless.touch()
    assert (await reconcile(product)).runners_forgotten == 2
    own = product.parts.runners.runner_id
    assert sorted(file.stem for file in (product.data_dir / "runners").iterdir()) == sorted([own, LIVING])
    async with product.parts.database.read() as session:
        assert set(await session.scalars(select(Runner.runner_id))) == {own, LIVING}


async def test_a_second_run_and_two_at_once_change_nothing_more(product: Product):
    await die(product)
    await running_job(product, DEAD)
    await lone_object(product, DEAD)
    first, second = await asyncio.gather(*(reconcile(product, whole_store=True) for _ in range(2)))
    assert first.jobs_closed + second.jobs_closed == 1
    jobs, files = await product.jobs(), await product.stored_files()
    assert not (await reconcile(product, whole_store=True)).changed
    assert (await product.jobs(), await product.stored_files()) == (jobs, files)


async def test_a_start_closes_interrupted_jobs_before_it_serves(tmp_path: Path, shared_imaging: SharedImaging):
    async with running_product(tmp_path / "data", shared_imaging) as product:
        await die(product)
        job_id = await running_job(product, DEAD)
        orphan = await lone_object(product, DEAD)
    async with running_product(tmp_path / "data", shared_imaging) as product:
        assert (await product.job(job_id))["failure"]["code"] == "interrupted"
        await reconcile(product)
        assert orphan not in await product.stored_files()


async def test_a_source_of_no_life_outlives_a_crash_by_a_minute(product: Product):
    await product.change_slot(source_ttl_hours=0)
    slot, settings = await product.parts.slots.get("slot-001"), await product.parts.settings.current()
    await die(product)
    job_id = await running_job(product, DEAD)
    await product.parts.retention.settled()
    async with product.parts.database.write() as session:
        job = await jobs_in(session).find(UUID(job_id))
        assert job is not None
        values = {"expires_at": source_expiry(job, slot, settings), "evicted_at": None}
        await session.execute(update(Media).where(Media.job_id == job.id).values(values))
    await reconcile(product)
    product.clock.advance(seconds=50 + 60)
    assert (await product.parts.retention.evict_expired()).count == 1
