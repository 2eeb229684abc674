"""What PostgreSQL brings: a database that can be away, a pool that can run dry, other processes."""

import asyncio
import io
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Literal

import asyncpg
import pytest
from sqlalchemy import event, text

from photochanger.adapters.db.engine import create_engine
from photochanger.adapters.db.migrate import SchemaBehind, migrate, use_schema
from photochanger.adapters.db.notices import PostgresNotices
from photochanger.adapters.db.session import Database, DatabaseUnavailable
from photochanger.assets import assets
from tests.support.drivers import FakeDriver, Gate, step
from tests.support.patience import be_as_the_product_is
from tests.support.pictures import jpeg
from tests.support.postgres import Cluster, running_cluster
from tests.support.product import Product, SharedImaging, running_product
from tests.support.server import until
from tests.support.tcp import Proxy

FOLDER = assets("migrations")
SECONDS_TO_KNOW, SECONDS_TO_HEAL = 2.5, 5.0
CI = 1.5
"""What a busy machine may add; who waited twice would take 4.6 s."""


@pytest.fixture(scope="module", autouse=True)
def wanted(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("database") != "postgresql":
        pytest.skip("runs with --database postgresql")


@pytest.fixture(autouse=True)
def own_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    be_as_the_product_is(monkeypatch)


@pytest.fixture(scope="module")
def cluster(wanted: None) -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
async def proxy(cluster: Cluster) -> AsyncIterator[Proxy]:
    proxy = Proxy(cluster.port)
    await proxy.start()
    yield proxy
    await proxy.stop()


@pytest.fixture
async def url(cluster: Cluster, request: pytest.FixtureRequest) -> str:
    """Of an empty database."""
    name = f"d{abs(hash(request.node.nodeid))}"
    connection = await asyncpg.connect(cluster.url())
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return cluster.url(name).replace("postgresql:", "postgresql+asyncpg:")


@pytest.fixture
def driver() -> FakeDriver:
    return FakeDriver()


@pytest.fixture
async def product(
    tmp_path: Path, shared_imaging: SharedImaging, driver: FakeDriver, url: str, cluster: Cluster, proxy: Proxy
) -> AsyncIterator[Product]:
    """`slot-001` asks `driver`; between it and its database is the proxy."""
    environ = {
        "DATABASE_URL": url.replace(str(cluster.port), str(proxy.port)),
        "RATE_LIMIT_INGEST_BURST": "1000",
    }
    async with running_product(tmp_path / "data", shared_imaging, providers=(driver,), environ=environ) as product:
        await product.change_slot(chain=[step()], max_concurrency=64)
        await product.change_settings(provider_concurrency={"fake": 64})
        yield product
        proxy.release()


async def seconds_until_503(product: Product) -> float:
    began = time.monotonic()
    answer = await product.client.get("/api/jobs", headers=product.admin)
    assert (answer.status_code, answer.json()["code"]) == (503, "database-unavailable")
    return time.monotonic() - began


async def ended(product: Product, job_id: str) -> None:
    async def is_ended() -> bool:
        answer = await product.client.get(f"/api/jobs/{job_id}", headers=product.admin)
        return answer.status_code == 200 and answer.json()["status"] != "processing"

    await until(is_ended, seconds=SECONDS_TO_HEAL)


class Hang:
    """Holds the wire at the next statement that begins so: before it is sent, or when it was answered."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._wanted: tuple[str, str] | None = None
        self.began = 0.0

    def at(self, moment: Literal["before", "after"], beginning: str) -> None:
        self._wanted = (moment, beginning)

    def see(self, moment: str) -> Callable[..., None]:
        def listener(_connection: object, _cursor: object, sql: str, *_: object) -> None:
            if self._wanted is not None and self._wanted[0] == moment and sql.startswith(self._wanted[1]):
                self._wanted, self.began = None, time.monotonic()
                self._proxy.hold()

        return listener


@pytest.fixture
def hang(product: Product, proxy: Proxy) -> Iterator[Hang]:
    hang, engine = Hang(proxy), product.parts.database.engine.sync_engine
    listeners = [(f"{moment}_cursor_execute", hang.see(moment)) for moment in ("before", "after")]
    for name, listener in listeners:
        event.listen(engine, name, listener)
    yield hang
    for name, listener in listeners:
        event.remove(engine, name, listener)


async def heals(product: Product) -> None:
    async def answers() -> bool:
        return (await product.client.get("/api/jobs", headers=product.admin)).status_code == 200

    await until(answers, seconds=SECONDS_TO_HEAL)


async def test_a_database_that_does_not_answer_is_known_in_time_and_heals(product: Product, proxy: Proxy):
    proxy.hold()
    for _ in range(2):  # with connections in the pool, then without
        assert await seconds_until_503(product) < SECONDS_TO_KNOW + CI
    proxy.release()
    await heals(product)


async def test_a_restarted_database_costs_no_longer_than_it_is_away(product: Product, cluster: Cluster):
    cluster.stop()
    try:
        assert await seconds_until_503(product) < SECONDS_TO_KNOW + CI
        assert (await product.send(jpeg(60, 40))).status_code == 503
        health = await product.client.get("/healthz")
        assert health.json()["checks"]["database"]["ok"] is False
    finally:
        cluster.start()
    await heals(product)
    assert await product.jobs() == []
    assert (await product.send(jpeg(60, 40))).status_code == 200


async def test_connections_that_were_cut_while_idle_cost_nobody_an_answer(product: Product, proxy: Proxy):
    proxy.cut()
    await asyncio.sleep(0.1)
    assert (await product.client.get("/api/jobs", headers=product.admin)).status_code == 200


async def test_a_job_whose_end_cannot_be_saved_is_not_claimed(
    product: Product, proxy: Proxy, driver: FakeDriver, hang: Hang
):
    hang.at("before", "UPDATE jobs")
    answer = await product.send(jpeg(60, 40))
    assert time.monotonic() - hang.began < SECONDS_TO_KNOW + CI
    assert (answer.status_code, answer.json()["code"]) == (503, "database-unavailable")
    proxy.cut()
    proxy.release()
    await heals(product)
    gallery = await product.client.get("/public/slots/slot-001", headers={"Accept": "application/json"})
    jobs = await product.jobs()
    assert [item["job_id"] for item in gallery.json()["items"]] == [job["job_id"] for job in jobs if job["result"]]
    again = await product.send(jpeg(60, 40))  # ended meanwhile: what was made is not made again
    assert (again.status_code, again.headers["x-outcome"]) == (200, "duplicate")
    assert again.headers["x-job-id"] == answer.headers["x-job-id"]
    assert len(driver.calls) == 1


async def test_a_call_that_a_hanging_database_cannot_note_is_not_made(
    product: Product, proxy: Proxy, driver: FakeDriver, hang: Hang
):
    hang.at("before", "INSERT INTO attempts")
    answer = await product.send(jpeg(60, 40))
    assert time.monotonic() - hang.began < SECONDS_TO_KNOW + CI
    assert (answer.status_code, answer.json()["code"]) == (503, "database-unavailable")
    assert driver.calls == []
    proxy.release()
    await ended(product, answer.headers["x-job-id"])
    assert (await product.send(jpeg(60, 40))).status_code == 200


@pytest.mark.parametrize("arrives", [True, False], ids=["arrives", "is lost"])
async def test_a_job_whose_opening_was_not_confirmed_in_time_is_closed_if_it_is_open(
    product: Product, proxy: Proxy, driver: FakeDriver, hang: Hang, *, arrives: bool
):
    """The commit is on its way when the database hangs."""
    hang.at("after", "INSERT INTO media")
    answer = await product.send(jpeg(60, 40))
    assert time.monotonic() - hang.began < SECONDS_TO_KNOW + CI
    assert (answer.status_code, answer.json()["code"]) == (503, "database-unavailable")
    if not arrives:
        proxy.cut()
    proxy.release()
    await heals(product)
    for job in await product.jobs():
        await ended(product, job["job_id"])
    assert driver.calls == []
    again = await product.send(jpeg(60, 40))
    assert (again.status_code, again.headers["x-outcome"]) == (200, "transformed")


async def test_who_hangs_in_a_goodbye_is_answered_and_keeps_no_connection(url: str, cluster: Cluster, proxy: Proxy):
    database = Database(create_engine(url.replace(str(cluster.port), str(proxy.port)), pool_size=1))
    began = time.monotonic()
    async with AsyncExitStack() as unit:
        session = await unit.enter_async_context(database.read())
        await session.execute(text("SELECT 1"))
        proxy.hold()
        with pytest.raises(DatabaseUnavailable):
            await unit.aclose()
    assert time.monotonic() - began < SECONDS_TO_KNOW + CI
    assert database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    proxy.release()
    async with database.read() as session:
        assert await session.scalar(text("SELECT 1")) == 1
    await database.close()


async def test_sixty_hanging_jobs_hold_none_of_three_connections(
    product: Product, driver: FakeDriver, url: str, monkeypatch: pytest.MonkeyPatch
):
    await product.parts.database.engine.dispose()
    monkeypatch.setattr(product.parts.database, "engine", create_engine(url, pool_size=3))
    gates = [Gate() for _ in range(60)]
    driver.script = list(gates)
    sending = [asyncio.create_task(product.send(jpeg(60, 40, seed=number))) for number in range(60)]
    await until(lambda: len(driver.calls) == 60, seconds=60)
    await until(lambda: product.parts.database.engine.pool.checkedout() == 0)  # type: ignore[attr-defined]
    assert (await product.client.get("/api/jobs", headers=product.admin)).status_code == 200
    for gate in gates:
        gate.open.set()
    assert {answer.status_code for answer in await asyncio.gather(*sending)} == {200}
    await product.parts.database.engine.dispose()


async def test_a_schema_that_is_behind_is_refused(url: str):
    engine = create_engine(url)
    with pytest.raises(SchemaBehind, match="photochanger migrate"):
        await use_schema(engine, FOLDER)
    await asyncio.gather(*(migrate(engine, FOLDER) for _ in range(3)))  # one after the other
    await use_schema(engine, FOLDER)
    await engine.dispose()


async def test_a_goodbye_that_nobody_answers_is_nobodys_trouble(
    url: str, cluster: Cluster, proxy: Proxy, product_log: io.StringIO
):
    database = Database(create_engine(url.replace(str(cluster.port), str(proxy.port))))
    async with database.read() as session:
        await session.execute(text("SELECT 1"))
    proxy.hold()
    await database.close()
    proxy.release()
    assert product_log.getvalue() == ""


async def test_a_statement_that_takes_too_long_is_ended(url: str):
    database = Database(create_engine(url))
    began = time.monotonic()
    with pytest.raises(Exception, match="database"):
        async with database.read() as session:
            await session.execute(text("SELECT pg_sleep(10)"))
    assert time.monotonic() - began < SECONDS_TO_KNOW + CI
    await database.close()


async def test_notices_reach_other_processes_also_after_the_connection_broke(url: str, cluster: Cluster, proxy: Proxy):
    here = PostgresNotices(create_engine(url))
    there = PostgresNotices(create_engine(url.replace(str(cluster.port), str(proxy.port))))
    async with here.running(), there.running():
        for _ in range(2):
            with there.listen("a") as heard, there.listen("b") as other:

                async def arrived(heard: asyncio.Event = heard) -> bool:
                    here.publish("a")
                    await asyncio.sleep(0.05)
                    return heard.is_set()

                await until(arrived)
                other.clear()
                heard.clear()
                here.publish("a")
                async with asyncio.timeout(1):
                    await heard.wait()
                assert not other.is_set()
                proxy.cut()
                async with asyncio.timeout(SECONDS_TO_HEAL):
                    await other.wait()  # connected again, everybody looks
