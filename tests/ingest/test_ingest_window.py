"""The one deadline of a request, the places it may have to wait for, and what it is told when time is over.

Windows have ten seconds at least, so a test sends its photo late: the clock jumps while the body is read.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from photochanger.adapters.coordination import places
from photochanger.adapters.providers.driver import RateLimited, TimedOut, TransformRequest
from photochanger.core.errors import Problem
from photochanger.features.ingest.finish import Finish
from photochanger.features.ingest.schemas import Post
from photochanger.features.ingest.window import Window
from tests.ingest.test_ingest_failures import FROM_A_CAMERA, assert_original
from tests.support import pictures
from tests.support.clock import FakeClock, RunningClock
from tests.support.drivers import FakeDriver, Gate, hang, step
from tests.support.multipart import encode, file, text
from tests.support.product import SLOT_PASSWORD, Product, SharedImaging
from tests.support.streams import PausedStream

WINDOW = 10
BUSY = 1.0
"""Seconds that a busy machine may be late; the promise is a quarter of one."""
PHOTO = pictures.jpeg(96, 64)


@pytest.fixture(scope="module")
def clock() -> FakeClock:
    return RunningClock()


@pytest.fixture
async def late(studio: Product) -> Product:
    """A studio with the shortest window there is."""
    await studio.change_slot(sync_response_seconds=WINDOW)
    return studio


async def send_late(
    product: Product, *, left: float, photo: bytes = PHOTO, headers: dict[str, str] | None = None
) -> tuple[httpx.Response, float]:
    """(answer, seconds it took after its window had `left` seconds left)."""
    content_type, body = encode([text("password", SLOT_PASSWORD), file(photo)])
    jumped_at = 0.0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal jumped_at
        yield body[:100]
        product.clock.advance(seconds=WINDOW - left)
        jumped_at = time.monotonic()
        yield body[100:]

    answer = await product.client.post(
        "/api/ingest/slot-001",
        content=chunks(),
        headers={"Content-Type": content_type, "Content-Length": str(len(body)), **(headers or {})},
    )
    return answer, time.monotonic() - jumped_at


async def slow(request: TransformRequest) -> bytes:
    """Heeds its deadline, but never gets there."""
    await asyncio.sleep(0.3)
    raise TimedOut("the vendor is slow")


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


# The deadline


@pytest.mark.parametrize("timeout_ms", [None, 60_000])
async def test_a_hanging_provider_is_cut_when_the_window_closes(
    late: Product, driver: FakeDriver, timeout_ms: int | None
) -> None:
    await late.change_slot(chain=[step(timeout_ms=timeout_ms)])
    driver.script = [hang]
    answer, seconds = await send_late(late, left=2)
    assert code_of(answer) == (504, "provider-timeout")
    assert 1.9 < seconds < 2 + BUSY
    assert driver.cancelled_count == 1
    job = await late.job(answer.headers["x-job-id"])
    assert (job["status"], job["failure"]["code"]) == ("timeout", "provider-timeout")
    (attempt,) = job["attempts"]
    assert (attempt["outcome"], attempt["cost_micros"]) == ("timed_out", None)
    assert attempt["error"]


async def test_a_link_ends_with_its_job_also_when_the_store_is_slow(
    late: Product, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete = late.parts.store.delete

    async def slow_delete(key: str) -> None:
        await asyncio.sleep(0.5)
        await delete(key)

    async def publish_and_hang(request: TransformRequest) -> bytes:
        assert request.publish is not None
        await request.publish(request.photo.data)
        return await hang(request)

    monkeypatch.setattr(late.parts.store, "delete", slow_delete)
    driver.script = [publish_and_hang]
    answer, _ = await send_late(late, left=1)
    assert code_of(answer) == (504, "provider-timeout")
    await late.parts.runner.drain()
    assert [name.partition("/")[0] for name in await late.stored_files()] == ["source"]


async def test_a_steps_own_time_ends_it_and_that_is_a_failure(late: Product, driver: FakeDriver) -> None:
    await late.change_slot(chain=[step(timeout_ms=100)])
    driver.script = [hang]
    answer, seconds = await send_late(late, left=8)
    assert code_of(answer) == (502, "provider-failed")
    assert seconds < 4
    (attempt,) = (await late.job(answer.headers["x-job-id"]))["attempts"]
    assert attempt["outcome"] == "timed_out"


async def test_a_call_without_any_time_left_is_not_made(
    late: Product, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await late.change_slot(chain=[step(timeout_ms=200), step("darkroom", "sepia")])
    begin = Finish.begin_attempts_last

    async def slow_begin(*args: Any) -> None:
        await begin(*args)
        await asyncio.sleep(0.3)

    monkeypatch.setattr(Finish, "begin_attempts_last", slow_begin)
    answer = await late.send(PHOTO)
    assert (answer.status_code, driver.calls) == (200, [])
    attempts = (await late.job(answer.headers["x-job-id"]))["attempts"]
    assert [(each["outcome"], each["cost_micros"]) for each in attempts] == [("timed_out", 0), ("delivered", 0)]


async def test_a_call_that_could_not_be_written_down_is_not_made_and_costs_nothing(
    late: Product, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise Problem("database-unavailable")

    monkeypatch.setattr(Finish, "begin_attempts_last", fail)
    answer = await late.send(PHOTO)
    assert (code_of(answer), driver.calls) == ((503, "database-unavailable"), [])
    [attempt] = (await late.job(answer.headers["x-job-id"]))["attempts"]
    assert attempt["cost_micros"] == 0


async def test_a_driver_that_gives_up_at_its_deadline_was_cut_by_the_window(late: Product, driver: FakeDriver) -> None:
    driver.script = [slow]
    answer, _ = await send_late(late, left=1)
    assert code_of(answer) == (504, "provider-timeout")


async def test_a_hanging_step_leaves_time_for_the_darkroom(late: Product, driver: FakeDriver) -> None:
    await late.change_slot(chain=[step(), step(), step("darkroom", "sepia")])
    driver.script = [hang, hang]
    answer, seconds = await send_late(late, left=6)
    assert (answer.status_code, answer.headers["x-outcome"]) == (200, "transformed")
    assert seconds < 6 + BUSY
    attempts = (await late.job(answer.headers["x-job-id"]))["attempts"]
    assert [attempt["outcome"] for attempt in attempts] == ["timed_out", "timed_out", "delivered"]


async def test_a_picture_that_was_paid_for_is_handed_out_however_long_its_step_had(
    late: Product, driver: FakeDriver, shared_imaging: SharedImaging
) -> None:
    """The workers are busy with other photos until the step's share is long over."""

    async def deliver(request: TransformRequest) -> bytes:
        for _ in range(shared_imaging._workers):
            await stack.enter_async_context(shared_imaging._free)
        asyncio.get_running_loop().call_later(1.5, released.set)
        return request.photo.data

    async def release() -> None:
        await released.wait()
        await stack.aclose()

    stack, released = AsyncExitStack(), asyncio.Event()
    await late.change_slot(chain=[step(timeout_ms=1000), step(), step("darkroom", "sepia")])
    driver.script = [deliver]
    releasing = asyncio.create_task(release())
    answer = await late.send(PHOTO)
    await releasing
    assert (answer.status_code, answer.headers["x-outcome"]) == (200, "transformed")
    attempts = (await late.job(answer.headers["x-job-id"]))["attempts"]
    assert [(attempt["provider"], attempt["outcome"]) for attempt in attempts] == [("fake", "delivered")]


async def test_a_last_failure_without_time_for_another_try_is_a_failure(late: Product, driver: FakeDriver) -> None:
    await late.change_slot(chain=[step(), step()])
    driver.script = [hang, RateLimited("slowly")]
    answer, _ = await send_late(late, left=1)
    assert code_of(answer) == (429, "provider-busy")


async def test_an_upload_that_has_not_ended_when_the_window_closes_leaves_nothing(late: Product) -> None:
    content_type, body = encode([text("password", SLOT_PASSWORD), file(PHOTO)])
    source = PausedStream(body[:-100])
    post = Post(
        slot_id="slot-001",
        address="127.0.0.1",
        headers={"content-type": content_type},
        idempotency_keys=[],
        query={},
        content_length=len(body),
        chunks=source.chunks(),
        started=late.clock.monotonic() - WINDOW + 0.3,
    )
    began = time.monotonic()
    with pytest.raises(Problem) as raised:
        await late.parts.ingests.ingest(post)
    assert (raised.value.status, raised.value.code) == (408, "upload-timeout")
    assert 0.2 < time.monotonic() - began < 0.3 + BUSY
    assert source.paused.is_set()
    assert await late.stored_files() == []
    assert await late.jobs() == []


async def test_a_joiners_own_window_closes(late: Product, driver: FakeDriver) -> None:
    await late.change_slot(sync_response_seconds=60)
    gate = Gate()
    driver.script = [gate]
    first = asyncio.create_task(late.send(PHOTO))
    await driver.called.wait()
    content_type, body = encode([text("password", SLOT_PASSWORD), file(PHOTO)])

    async def chunks() -> AsyncIterator[bytes]:
        yield body

    post = Post(
        slot_id="slot-001",
        address="127.0.0.1",
        headers={"content-type": content_type},
        idempotency_keys=[],
        query={},
        content_length=len(body),
        chunks=chunks(),
        started=late.clock.monotonic() - 59.7,
    )
    began = time.monotonic()
    with pytest.raises(Problem) as raised:
        await late.parts.ingests.ingest(post)
    assert (raised.value.status, raised.value.code) == (504, "provider-timeout")
    assert time.monotonic() - began < 0.3 + BUSY
    gate.open.set()
    answer = await first
    assert answer.status_code == 200
    assert raised.value.headers["X-Job-Id"] == answer.headers["x-job-id"]


# Places


async def test_photos_wait_for_the_slots_only_place(late: Product, driver: FakeDriver) -> None:
    await late.change_slot(max_concurrency=1)
    sending = [late.send(pictures.jpeg(48, 32, seed=seed)) for seed in range(5)]
    answers = await asyncio.gather(*sending)
    assert [answer.headers["x-outcome"] for answer in answers] == ["transformed"] * 5
    assert driver.peak == 1


@pytest.mark.parametrize("members", [{"max_concurrency": 3}, {}])
async def test_no_more_photos_than_places_are_worked_on_at_once(
    late: Product, driver: FakeDriver, members: dict[str, Any]
) -> None:
    await late.change_slot(**members)
    gate = Gate()
    driver.script = [gate] * 8
    sending = [asyncio.create_task(late.send(pictures.jpeg(48, 32, seed=seed))) for seed in range(8)]
    most = members.get("max_concurrency", 4)
    await until(lambda: late.parts.places.waiting("slot:slot-001") == 8 - most and len(driver.calls) == most)
    gate.open.set()
    answers = await asyncio.gather(*sending)
    assert [answer.status_code for answer in answers] == [200] * 8
    assert driver.peak <= most


async def test_no_place_in_the_slot_in_time_is_slot_busy(late: Product, driver: FakeDriver) -> None:
    await late.change_slot(max_concurrency=1)
    gate = Gate()
    driver.script = [gate]
    first = asyncio.create_task(late.send(PHOTO))
    await driver.called.wait()
    answer, seconds = await send_late(late, left=2.3, photo=FROM_A_CAMERA)
    assert code_of(answer) == (429, "slot-busy")
    assert int(answer.headers["retry-after"]) >= 1
    assert seconds < 0.3 + BUSY
    job = await late.job(answer.headers["x-job-id"])
    assert (job["status"], job["failure"]["code"], job["attempts"]) == ("failed", "slot-busy", [])
    gate.open.set()
    await first


async def test_no_place_at_the_provider_in_time_is_provider_busy(late: Product, driver: FakeDriver) -> None:
    await late.change_settings(provider_concurrency={"fake": 1})
    gate = Gate()
    driver.script = [gate]
    first = asyncio.create_task(late.send(PHOTO))
    await driver.called.wait()
    answer, seconds = await send_late(late, left=2.4, photo=FROM_A_CAMERA)
    assert code_of(answer) == (429, "provider-busy")
    assert seconds < 2.4 + BUSY
    (attempt,) = (await late.job(answer.headers["x-job-id"]))["attempts"]
    assert (attempt["outcome"], attempt["cost_micros"]) == ("skipped", 0)
    gate.open.set()
    await first


async def test_without_a_place_at_its_provider_a_step_is_skipped(late: Product, driver: FakeDriver) -> None:
    await late.change_settings(provider_concurrency={"fake": 1})
    await late.change_slot(chain=[step(), step("darkroom", "sepia")])
    gate = Gate()
    driver.script = [gate]
    first = asyncio.create_task(late.send(PHOTO))
    await driver.called.wait()
    answer, _ = await send_late(late, left=4, photo=FROM_A_CAMERA)
    assert (answer.status_code, answer.headers["x-outcome"]) == (200, "transformed")
    attempts = (await late.job(answer.headers["x-job-id"]))["attempts"]
    assert [attempt["outcome"] for attempt in attempts] == ["skipped", "delivered"]
    gate.open.set()
    await first


async def test_photos_above_a_slots_rate_wait_for_it_in_turn(
    late: Product, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "_MINUTE_SECONDS", 1)
    await late.change_slot(max_per_minute=2, max_concurrency=8)
    began = time.monotonic()
    answers = await asyncio.gather(*(late.send(pictures.jpeg(48, 32, seed=seed)) for seed in range(5)))
    assert [answer.status_code for answer in answers] == [200] * 5
    assert time.monotonic() - began >= 2 - 0.1  # two at once, two after a second, the last after another
    assert len(driver.calls) == 5


async def test_a_rate_that_leaves_no_time_is_told_at_once(late: Product) -> None:
    await late.change_slot(max_per_minute=1)
    assert (await late.send(PHOTO)).status_code == 200
    began = time.monotonic()
    answer = await late.send(FROM_A_CAMERA)
    assert code_of(answer) == (429, "slot-busy")
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert time.monotonic() - began < WINDOW / 2


async def test_a_provider_above_its_rate_is_passed_over(late: Product, driver: FakeDriver) -> None:
    await late.change_settings(provider_per_minute={"fake": 1})
    await late.change_slot(chain=[step(), step("darkroom", "sepia")])
    assert (await late.send(PHOTO)).status_code == 200
    answer = await late.send(FROM_A_CAMERA)
    assert (answer.status_code, answer.headers["x-outcome"]) == (200, "transformed")
    attempts = (await late.job(answer.headers["x-job-id"]))["attempts"]
    assert [(each["provider"], each["outcome"]) for each in attempts] == [
        ("fake", "skipped"),
        ("darkroom", "delivered"),
    ]
    assert len(driver.calls) == 1


# The original, where the policy hands it back


async def test_the_original_is_handed_back_inside_the_window_when_the_provider_hangs(
    late: Product, driver: FakeDriver
) -> None:
    await late.change_slot(failure_policy="original")
    driver.script = [hang]
    answer, seconds = await send_late(late, left=3, photo=FROM_A_CAMERA)
    assert seconds < 3 + BUSY
    await assert_original(late, answer, "provider-timeout", "timeout")


async def test_the_original_is_handed_back_when_the_slot_is_busy(late: Product, driver: FakeDriver) -> None:
    await late.change_slot(failure_policy="original", max_concurrency=1, gallery={"since": "2026-11-21T08:30:01Z"})
    gate = Gate()
    driver.script = [gate]
    first = asyncio.create_task(late.send(PHOTO))
    await driver.called.wait()
    answer, seconds = await send_late(late, left=2.2, photo=FROM_A_CAMERA)
    assert seconds < 2.2 + BUSY
    await assert_original(late, answer, "slot-busy")
    gate.open.set()
    await first


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 – places and drivers tell nobody
            await asyncio.sleep(0.005)


# The arithmetic


def test_a_window_never_has_less_than_nothing_left() -> None:
    clock = FakeClock()
    window = Window(clock, started=clock.monotonic(), seconds=10)
    clock.advance(seconds=11)
    assert (window.left(), window.elapsed()) == (0, 11)
