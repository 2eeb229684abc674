from collections.abc import AsyncIterator
from math import inf
from pathlib import Path
from typing import NamedTuple

import pytest

from photochanger.adapters.providers.darkroom import Darkroom
from photochanger.features.ingest import plan
from tests.support.clock import FakeClock
from tests.support.drivers import FakeDriver, step
from tests.support.product import Product, SharedImaging, running_product
from tests.support.snapshot import Snapshot


class Shared(NamedTuple):
    product: Product
    driver: FakeDriver
    snapshot: Snapshot


@pytest.fixture(scope="module")
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="module")
async def shared(
    tmp_path_factory: pytest.TempPathFactory, shared_imaging: SharedImaging, clock: FakeClock
) -> AsyncIterator[Shared]:
    driver = FakeDriver()
    async with running_product(
        tmp_path_factory.mktemp("shared"),
        shared_imaging,
        providers=(Darkroom(shared_imaging), driver),
        clock=clock,
        environ={"RATE_LIMIT_INGEST_BURST": "1000"},
    ) as product:
        yield Shared(product, driver, await Snapshot.take(product))


@pytest.fixture
def driver(shared: Shared) -> FakeDriver:
    shared.driver.restart()
    return shared.driver


@pytest.fixture
async def product(shared: Shared, driver: FakeDriver) -> Product:
    """One for the tests of a module, each time as new; `slot-001` asks the darkroom."""
    await shared.snapshot.restore()
    shared.product.parts.breakers._breakers.clear()
    return shared.product


@pytest.fixture
async def studio(product: Product) -> Product:
    """`slot-001` asks `driver` alone."""
    await product.change_slot(chain=[step()])
    return product


@pytest.fixture
def no_second_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed call ends its step: there is never time for another one."""
    monkeypatch.setattr(plan, "LEAST_CALL_SECONDS", inf)


@pytest.fixture
async def lone_product(tmp_path: Path, shared_imaging: SharedImaging) -> AsyncIterator[Product]:
    """With counts of its own: of requests, and of wrong passwords."""
    async with running_product(tmp_path / "data", shared_imaging) as product:
        yield product
