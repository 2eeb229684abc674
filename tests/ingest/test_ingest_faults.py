"""Senders that leave, a store and a database that fail: nothing half-done is visible, nothing acknowledged is lost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from photochanger.adapters.providers.darkroom import Darkroom
from tests.support import pictures
from tests.support.clock import FakeClock
from tests.support.drivers import FakeDriver, Gate, step
from tests.support.faults import Fault, FaultyDatabase, FaultyStore, leave_after
from tests.support.multipart import encode, file, text
from tests.support.product import SLOT_PASSWORD, Product, SharedImaging, running_product

PHOTO = pictures.jpeg(640, 480)


async def gallery(product: Product) -> list[str]:
    found = (await product.client.get("/public/slots/slot-001")).json()
    return [item["job_id"] for item in found["items"]]


# Senders that leave


@pytest.mark.parametrize("share", [0.001, 0.5, 0.99], ids=["at once", "in the middle", "near the end"])
async def test_a_sender_that_leaves_leaves_nothing_but_one_line_in_the_log(product: Product, share: float) -> None:
    content_type, body = encode([text("password", SLOT_PASSWORD), file(PHOTO)])
    with capture_logs() as lines:
        await leave_after(product, content_type, body[: int(len(body) * share)])
    assert await product.stored_files() == []
    assert await product.jobs() == []
    told = [line for line in lines if line["event"] != "http.answered" and not line["event"].startswith("s3.upload_")]
    assert [(line["event"], line["log_level"]) for line in told] == [("ingest.aborted", "info")]
    assert {line["log_level"] for line in lines} == {"info"}


async def test_a_photo_whose_sender_left_is_finished_and_found_again(studio: Product, driver: FakeDriver) -> None:
    gate = Gate()
    driver.script = [gate]
    sending = asyncio.create_task(studio.send(PHOTO))
    await driver.called.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    gate.open.set()
    await studio.parts.runner.drain()
    (job,) = await studio.jobs()
    assert (job["status"], job["outcome"]) == ("done", "transformed")
    assert await gallery(studio) == [job["job_id"]]
    again = await studio.send(PHOTO)
    assert (again.headers["x-outcome"], again.headers["x-job-id"]) == ("duplicate", job["job_id"])
    assert len(driver.calls) == 1


# The store


@pytest.fixture
async def store(tmp_path: Path, clock: FakeClock) -> FaultyStore:
    return FaultyStore(tmp_path / "data" / "media", clock)


@pytest.fixture
async def shaky(
    tmp_path: Path, shared_imaging: SharedImaging, clock: FakeClock, driver: FakeDriver, store: FaultyStore
) -> AsyncIterator[Product]:
    providers = (Darkroom(shared_imaging), driver)
    data_dir = tmp_path / "data"
    async with running_product(data_dir, shared_imaging, providers=providers, clock=clock, store=store) as product:
        await product.change_slot(chain=[step()])
        yield product


async def test_a_store_that_takes_no_upload_leaves_nothing(
    shaky: Product, driver: FakeDriver, store: FaultyStore
) -> None:
    store.broken = {"source"}
    answer = await shaky.send(PHOTO)
    assert (answer.status_code, answer.json()["code"]) == (503, "storage-unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert "x-job-id" not in answer.headers
    assert await shaky.stored_files() == []
    assert await shaky.jobs() == []
    assert driver.calls == []
    store.broken = set()
    assert (await shaky.send(PHOTO)).status_code == 200


@pytest.mark.parametrize("kind", ["result", "preview"])
@pytest.mark.parametrize("policy", ["error", "original"])
async def test_a_store_that_takes_no_result_shows_nothing_half_done(
    shaky: Product, store: FaultyStore, kind: str, policy: str
) -> None:
    await shaky.change_slot(failure_policy=policy)
    store.broken = {kind}
    answer = await shaky.send(PHOTO)
    assert (answer.status_code, answer.json()["code"]) == (503, "storage-unavailable")
    job = await shaky.job(answer.headers["x-job-id"])
    assert (job["status"], job["failure"]["code"], job["result"]) == ("failed", "storage-unavailable", None)
    assert [name.partition("/")[0] for name in await shaky.stored_files()] == ["source"]
    assert await gallery(shaky) == []
    store.broken = set()
    again = await shaky.send(PHOTO)
    assert (again.status_code, again.headers["x-outcome"]) == (200, "transformed")


# The database


async def test_a_database_that_opens_no_job_calls_no_provider(
    studio: Product, driver: FakeDriver, break_opening: Callable[[Fault], None]
) -> None:
    break_opening("refused")
    answer = await studio.send(PHOTO)
    assert (answer.status_code, answer.json()["code"]) == (503, "database-unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert driver.calls == []
    assert await studio.jobs() == []
    assert (await studio.send(PHOTO)).headers["x-outcome"] == "transformed"


async def test_a_job_whose_opening_was_not_confirmed_is_read_back_and_done(
    studio: Product, driver: FakeDriver, break_opening: Callable[[Fault], None]
) -> None:
    break_opening("answer lost")
    answer = await studio.send(PHOTO)
    assert (answer.status_code, answer.headers["x-outcome"]) == (200, "transformed")
    assert len(await studio.jobs()) == 1
    assert len(driver.calls) == 1


@pytest.mark.parametrize("fault", ["refused", "commit failed"])
async def test_a_result_that_could_not_be_written_down_is_not_acknowledged_and_not_lost(
    studio: Product, driver: FakeDriver, break_finish: Callable[..., None], fault: Fault
) -> None:
    break_finish("", fault)
    answer = await studio.send(PHOTO)
    assert (answer.status_code, answer.json()["code"]) == (503, "database-unavailable")
    job_id = answer.headers["x-job-id"]
    assert await gallery(studio) == []
    assert (await studio.client.get(f"/public/results/{job_id}")).status_code == 404
    assert (await studio.job(job_id))["result"] is None
    again = await studio.send(PHOTO)
    assert (again.status_code, again.headers["x-outcome"]) == (200, "duplicate")
    assert again.headers["x-job-id"] == job_id
    assert (await studio.client.get(f"/public/results/{job_id}")).content == again.content
    assert len(driver.calls) == 1


async def test_a_result_whose_writing_was_not_confirmed_is_read_back_and_acknowledged(
    studio: Product, driver: FakeDriver, break_finish: Callable[..., None]
) -> None:
    break_finish("", "answer lost")
    answer = await studio.send(PHOTO)
    assert (answer.status_code, answer.headers["x-outcome"]) == (200, "transformed")
    assert (await studio.client.get(answer.headers["x-result-url"])).content == answer.content
    assert await gallery(studio) == [answer.headers["x-job-id"]]
    assert (await studio.send(PHOTO)).headers["x-outcome"] == "duplicate"
    assert len(driver.calls) == 1


async def test_a_call_that_could_not_be_written_down_is_not_made(
    studio: Product, driver: FakeDriver, break_finish: Callable[..., None]
) -> None:
    break_finish("refused")
    answer = await studio.send(PHOTO)
    assert (answer.status_code, answer.json()["code"]) == (503, "database-unavailable")
    assert driver.calls == []
    job = await studio.job(answer.headers["x-job-id"])
    assert (job["status"], job["failure"]["code"]) == ("failed", "database-unavailable")


@pytest.fixture
def break_opening(studio: Product, monkeypatch: pytest.MonkeyPatch) -> Callable[[Fault], None]:
    def set_fault(fault: Fault) -> None:
        database = FaultyDatabase(studio.parts.database, fault)
        monkeypatch.setattr(studio.parts.ingests._opening, "_database", database)

    return set_fault


@pytest.fixture
def break_finish(studio: Product, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Its writes: each attempt's beginning, then the job's end."""

    def set_faults(*faults: Fault) -> None:
        database = FaultyDatabase(studio.parts.database, *faults)
        monkeypatch.setattr(studio.parts.runner._finish, "_database", database)

    return set_faults
