"""The lines to the bucket and to PostgreSQL break while a photo is on its way: right words, nothing lost, soon well."""

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import msgspec
import pytest
from sqlalchemy import make_url

from photochanger.core.limits import PART_BYTES
from photochanger.features.ingest import service
from tests.support.database import databases
from tests.support.drivers import FakeDriver, step
from tests.support.fault_proxy import FaultProxy, Rule, request
from tests.support.pictures import jpeg
from tests.support.product import Product, SharedImaging, running_product
from tests.support.s3 import S3Address, own_place, stored
from tests.support.sender import photos

SECONDS_TO_HEAL = 5.0
CI = 10.0
"""What a busy machine may add; what waited for the sweep would take a minute, what hangs for ever."""


@pytest.fixture
def driver() -> FakeDriver:
    return FakeDriver()


async def heals(product: Product, photo: bytes) -> httpx.Response:
    began = time.monotonic()
    answer = await product.send(photo)
    assert answer.status_code == 200, answer.text
    assert time.monotonic() - began < SECONDS_TO_HEAL + CI
    assert (await product.client.get(answer.headers["x-result-url"])).content == answer.content
    return answer


# The bucket


@pytest.fixture
def place() -> S3Address:
    return own_place()


@pytest.fixture
async def to_bucket(place: S3Address) -> AsyncIterator[FaultProxy]:
    proxy = FaultProxy(place.port)
    async with proxy.listening():
        yield proxy


@pytest.fixture
async def afar(
    to_bucket: FaultProxy, place: S3Address, tmp_path: Path, shared_imaging: SharedImaging, driver: FakeDriver
) -> AsyncIterator[Product]:
    """A product whose bucket is at the other end of `to_bucket`."""
    environ = msgspec.structs.replace(place, endpoint=f"http://127.0.0.1:{to_bucket.port}").environ
    async with running_product(tmp_path / "data", shared_imaging, environ=environ, providers=(driver,)) as product:
        await product.change_slot(chain=[step()])
        yield product
        to_bucket.heal()


async def nothing_else_is_stored(product: Product, place: S3Address) -> None:
    found = await stored(place)
    assert found.uploads == []
    assert (await product.parts.reconciler.reconcile(whole_store=True)).objects_missing == 0
    async with product.parts.database.read() as session:
        kept = (await session.connection()).exec_driver_sql
        rows = await kept("SELECT object_key FROM media WHERE evicted_at IS NULL")
        assert found.objects == sorted(key for (key,) in rows)


@pytest.mark.s3
@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ("lose_answer", request("POST", "?uploadId")),
        ("reset", request("PUT", "/result/")),
        ("slow_down", request("PUT", "/preview/")),
    ],
    ids=["lost answer of complete", "reset in a result", "overload at a preview"],
)
async def test_one_fault_on_the_way_to_the_bucket_costs_nobody_a_photo(
    afar: Product, to_bucket: FaultProxy, place: S3Address, driver: FakeDriver, fault: str, rule: Rule
):
    to_bucket.set(fault, rule, times=1)
    await heals(afar, next(photos(padding=2 * PART_BYTES)))
    assert (to_bucket.met, len(driver.calls)) == (1, 1)
    await nothing_else_is_stored(afar, place)


@pytest.mark.s3
async def test_a_bucket_that_is_slow_is_waited_for(afar: Product, to_bucket: FaultProxy, place: S3Address):
    to_bucket.set("delay")
    assert (await afar.send(jpeg(64, 48))).status_code == 200
    assert to_bucket.met > 6
    await nothing_else_is_stored(afar, place)


@pytest.mark.s3
@pytest.mark.parametrize("fault", ["reset", "slow_down"])
async def test_a_bucket_that_takes_no_result_fails_the_photo_and_the_next_try_has_it(
    afar: Product, to_bucket: FaultProxy, place: S3Address, fault: str
):
    to_bucket.set(fault, request("PUT", "/result/"))
    failed = await afar.send(jpeg(64, 48))
    assert (failed.status_code, failed.json()["code"]) == (503, "storage-unavailable")
    assert (await afar.job(failed.headers["x-job-id"]))["failure"]["code"] == "storage-unavailable"
    assert (await afar.client.get("/public/slots/slot-001")).json()["items"] == []
    to_bucket.heal()
    assert (await heals(afar, jpeg(64, 48))).headers["x-outcome"] == "transformed"
    await nothing_else_is_stored(afar, place)


@pytest.mark.s3
async def test_a_bucket_that_hangs_in_an_upload_is_given_up_in_the_window_and_nothing_of_it_stays(
    afar: Product, to_bucket: FaultProxy, place: S3Address, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(service, "window_seconds", lambda *_: 3)
    to_bucket.set("hang", request("PUT", "partNumber"))
    began = time.monotonic()
    failed = await afar.send(next(photos(padding=2 * PART_BYTES)))
    assert (failed.status_code, failed.json()["code"]) in {(503, "storage-unavailable"), (408, "upload-timeout")}
    assert time.monotonic() - began < 3.25 + CI
    monkeypatch.undo()
    assert await afar.jobs() == []
    to_bucket.heal()
    await heals(afar, next(photos(padding=2 * PART_BYTES)))
    await nothing_else_is_stored(afar, place)


# PostgreSQL


def commit_after(statement: bytes) -> Rule:
    """The COMMIT of the unit of work that sends this statement."""
    seen: list[bytes] = []

    def rule(begun: bytes) -> bool:
        if statement in begun:
            seen.append(statement)
        return bool(seen) and b"COMMIT" in begun

    return rule


OPENING = b"INSERT INTO job_claims"
FINISH = b"UPDATE jobs SET"
MOMENTS: dict[str, Callable[[], Rule]] = {
    "opening": lambda: commit_after(OPENING),
    "finish": lambda: commit_after(FINISH),
}


@pytest.fixture
async def to_database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[FaultProxy]:
    if request.config.getoption("database") != "postgresql":
        pytest.skip("runs with --database postgresql")
    port = make_url(await databases.url(tmp_path / "far.db")).port
    assert port is not None
    proxy = FaultProxy(port)
    async with proxy.listening():
        yield proxy


@pytest.fixture
async def at_distance(
    to_database: FaultProxy, tmp_path: Path, shared_imaging: SharedImaging, driver: FakeDriver
) -> AsyncIterator[Product]:
    """A product whose database is at the other end of `to_database`."""
    url = make_url(await databases.url(tmp_path / "far.db")).set(port=to_database.port)
    environ = {"DATABASE_URL": url.render_as_string()}
    async with running_product(tmp_path / "data", shared_imaging, environ=environ, providers=(driver,)) as product:
        await product.change_slot(chain=[step()])
        yield product
        to_database.heal()


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_commit_whose_answer_is_lost_is_read_back(
    at_distance: Product, to_database: FaultProxy, driver: FakeDriver, moment: str
):
    to_database.set("lose_answer", MOMENTS[moment](), times=1)
    answer = await at_distance.send(jpeg(64, 48))
    assert (answer.status_code, answer.headers.get("x-outcome")) == (200, "transformed"), answer.text
    assert (to_database.met, len(driver.calls)) == (1, 1)
    assert [job["status"] for job in await at_distance.jobs()] == ["done"]
    assert (await heals(at_distance, jpeg(64, 48))).headers["x-outcome"] == "duplicate"


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_commit_that_is_lost_is_not_claimed_and_the_photo_sent_again_has_it(
    at_distance: Product, to_database: FaultProxy, driver: FakeDriver, moment: str
):
    to_database.set("reset", MOMENTS[moment](), times=1)
    failed = await at_distance.send(jpeg(64, 48))
    assert (failed.status_code, failed.json()["code"]) == (503, "database-unavailable")
    assert to_database.met == 1
    assert (await at_distance.client.get("/public/slots/slot-001")).json()["items"] == []
    again = await heals(at_distance, jpeg(64, 48))
    assert again.headers["x-outcome"] == ("transformed" if moment == "opening" else "duplicate")
    assert len(driver.calls) == 1
    rows = [(job["status"], job["job_id"]) for job in await at_distance.jobs()]
    assert rows == [("done", again.headers["x-job-id"])]
