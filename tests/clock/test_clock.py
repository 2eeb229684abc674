"""A clock that is wrong hides what it takes for expired, and deletes nothing until somebody has looked."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

from photochanger.core.errors import Problem
from photochanger.features.audit.schemas import Actor
from photochanger.features.clock.service import ClockWatch
from photochanger.features.jobs.models import Job, Runner
from photochanger.features.media.keys import object_key
from tests.support.audit import entries
from tests.support.clock import FakeClock
from tests.support.product import Product, SharedImaging, running_product
from tests.support.results import code_of, send
from tests.support.streams import stream

DAYS_LATER = {"hours": 80.0}
"""When results are over, and lone objects past their grace."""
BOSS = Actor("boss")


async def lone_object(product: Product) -> str:
    """Of a living process, but of no row."""
    key = object_key("result", "slot-001", product.clock.now(), product.parts.runners.runner_id, "jpg")
    await product.parts.store.put(key, stream(b"bytes"), content_type="image/jpeg")
    return key


async def health(product: Product) -> tuple[int, str, str]:
    product.clock.advance(seconds=1)  # it looks once a second
    answer = await product.client.get("/healthz")
    return answer.status_code, answer.json()["status"], answer.json()["checks"]["database"].get("reason", "")


async def refusal(product: Product) -> str:
    with pytest.raises(Problem) as raised:
        await product.parts.retention.evict_expired()
    assert raised.value.code == "clock-moved"
    return raised.value.detail


async def test_a_clock_that_jumped_hides_at_once_and_deletes_nothing_until_it_is_accepted(product: Product):
    photo = await send(product)
    await lone_object(product)
    before = await product.stored_files()
    product.clock.jump(**DAYS_LATER)
    await product.sign_in()
    assert code_of(await product.client.get(photo.path)) == (410, "result-expired")
    await product.parts.retention.settled()
    assert "forward by 80.0 hours" in await refusal(product)
    cleaned = await product.client.post("/api/slots/slot-001/cleanup", headers=product.admin)
    assert code_of(cleaned) == (409, "clock-moved")
    assert not (await product.parts.reconciler.reconcile(whole_store=True)).changed
    status, state, reason = await health(product)
    assert (status, state) == (200, "degraded")
    assert "forward by 80.0 hours" in reason
    assert "photochanger reconcile --accept-clock" in reason
    assert await product.stored_files() == before

    accepted = await product.client.post("/api/clock/accept", headers=product.admin)
    assert accepted.json() == {"now": "2026-11-24T16:30:01Z", "moved_seconds": 80 * 3600}
    [entry] = await entries(product.parts.database, action="clock.accepted")
    assert (entry.actor, entry.detail) == ("boss", {"moved_seconds": 80 * 3600})
    assert "accept-clock" not in (await health(product))[2]
    assert (await product.parts.retention.evict_expired()).count == len(before) - 1
    assert (await product.parts.reconciler.reconcile(whole_store=True)).objects_deleted == 1
    assert await product.stored_files() == []


async def test_a_clock_that_jumps_during_a_sweep_deletes_no_more_than_was_over(product: Product, monkeypatch):
    await send(product)
    over = await product.stored_files()
    product.clock.advance(**DAYS_LATER)
    await send(product)
    kept = [file for file in await product.stored_files() if file not in over]
    delete = product.parts.store.delete

    async def jump_and_delete(key: str) -> None:
        product.clock.jump(**DAYS_LATER)
        await delete(key)

    monkeypatch.setattr(product.parts.store, "delete", jump_and_delete)
    assert (await product.parts.retention.evict_expired()).count == len(over)
    assert await product.stored_files() == kept


async def test_a_clock_that_jumps_while_it_is_reconciled_deletes_no_upload_that_goes_on(product: Product, monkeypatch):
    await lone_object(product)
    moved = ClockWatch.moved

    async def trusted_and_jumped(watch: ClockWatch) -> timedelta | None:
        found = await moved(watch)
        product.clock.jump(**DAYS_LATER)
        return found

    monkeypatch.setattr(ClockWatch, "moved", trusted_and_jumped)
    assert (await product.parts.reconciler.reconcile(whole_store=True)).objects_deleted == 0
    assert len(await product.stored_files()) == 1


async def test_a_clock_that_is_set_right_again_needs_nobody(product: Product):
    await send(product)
    product.clock.jump(hours=-2)
    assert "back by 2.0 hours" in await refusal(product)
    product.clock.jump(hours=2)
    product.clock.advance(**DAYS_LATER)
    assert (await product.parts.retention.evict_expired()).count == 6


@pytest.mark.parametrize("minutes", [-61, -60, 60, 61])
async def test_an_hour_is_the_most(product: Product, minutes: int):
    product.clock.jump(minutes=minutes)
    assert (await product.parts.clock_watch.moved() is None) == (abs(minutes) == 60)


async def test_time_that_really_passes_is_no_jump_however_long_nobody_wrote_it_down(product: Product):
    product.clock.advance(hours=1000)
    assert await product.parts.clock_watch.moved() is None
    await product.parts.clock_watch.keep()
    product.clock.advance(hours=1000)
    assert await product.parts.clock_watch.moved() is None


async def test_what_was_written_down_is_what_a_jump_is_measured_against(product: Product):
    for _ in range(4):  # a drift that is corrected little by little
        product.clock.jump(minutes=40)
        await product.parts.clock_watch.keep()
    assert await product.parts.clock_watch.moved() is None
    product.clock.jump(minutes=61)
    await product.parts.clock_watch.keep()  # what is not trusted is not written down
    assert await product.parts.clock_watch.moved() == timedelta(minutes=61)


async def test_a_jump_while_the_server_was_off_counts_too(tmp_path: Path, shared_imaging: SharedImaging):
    clock = FakeClock()
    async with running_product(tmp_path / "data", shared_imaging, clock=clock) as product:
        await send(product)
        before = await product.stored_files()
    later = FakeClock(clock.now() + timedelta(hours=80))
    with capture_logs() as logs:
        async with running_product(tmp_path / "data", shared_imaging, clock=later) as product:
            assert "forward by 80.0 hours" in await refusal(product)
            assert await product.stored_files() == before
            await product.parts.clock_watch.keep()
            await product.parts.clock_watch.accept(BOSS)
            await product.parts.clock_watch.keep()
            assert (await product.parts.retention.evict_expired()).count == len(before)
    told = [(line["event"], line["log_level"]) for line in logs if line["event"].startswith("clock.")]
    assert told == [("clock.moved", "error"), ("clock.trusted", "info")]


async def test_a_machine_is_judged_by_what_the_others_wrote_and_hears_of_a_confirmation(product: Product):
    wrong = FakeClock(product.clock.now() + timedelta(hours=2))
    other = ClockWatch(product.parts.database, wrong)
    await other.keep()
    assert await other.moved() == timedelta(hours=2)
    assert await product.parts.clock_watch.moved() is None
    product.clock.jump(hours=2)  # now both are wrong alike
    assert await product.parts.clock_watch.moved() == timedelta(hours=2)
    assert (await other.accept(BOSS)).moved_seconds == 7200
    assert await product.parts.clock_watch.moved() is None


async def test_a_confirmation_is_not_undone_by_who_looked_before_it(product: Product, monkeypatch: pytest.MonkeyPatch):
    """On PostgreSQL both may be under way at once; the slower one changes nothing."""
    watch, confirmed = product.parts.clock_watch, product.clock.now() + timedelta(days=1)
    await watch.keep()
    later = ClockWatch(product.parts.database, FakeClock(confirmed))
    await later.accept(BOSS)
    monkeypatch.setattr(
        "photochanger.features.clock.repository.SeenTimeRepository.find", lambda _: _given(product.clock.now())
    )
    await watch.keep()
    monkeypatch.undo()
    assert await later.moved() is None


async def _given(value: object) -> object:
    return value


async def test_a_wrong_clock_declares_nobody_dead_but_who_left_a_free_lock(product: Product):
    """Else a machine whose clock is wrong would end the jobs of all others."""
    photos = [await send(product, seed=seed) for seed in range(3)]
    runners = ["far000000000", "dead00000000", product.parts.runners.runner_id]
    async with product.parts.database.write() as session:
        session.add(Runner(runner_id=runners[0], home="elsewhere", beat_at=product.clock.now()))
        for photo, runner in zip(photos, runners, strict=True):
            running = {"status": "processing", "runner_id": runner, "deadline_at": product.clock.now()}
            await session.execute(update(Job).where(Job.link_token == photo.token).values(running))
    (product.data_dir / "runners" / f"{runners[1]}.lock").touch()
    product.clock.jump(hours=2)
    assert (await product.parts.reconciler.reconcile(whole_store=True)).jobs_closed == 1
    assert (await product.job(photos[1].job_id))["failure"]["code"] == "interrupted"
    await product.parts.clock_watch.accept(BOSS)
    assert (await product.parts.reconciler.reconcile(whole_store=True)).jobs_closed == 2


async def test_what_somebody_asks_for_is_deleted_whatever_the_clock_says(product: Product):
    photo, other = await send(product, seed=1), await send(product, seed=2)
    product.clock.jump(hours=2)
    removed = await product.client.delete(f"/api/jobs/{photo.job_id}/result", headers=product.admin)
    assert removed.status_code == 204
    assert (await product.client.get(other.path)).status_code == 200
    assert len(await product.stored_files()) == 6
    cleaned = await product.client.post("/api/slots/slot-001/cleanup?everything=true", headers=product.admin)
    assert cleaned.json()["evicted"] == 6
    assert await product.stored_files() == []
