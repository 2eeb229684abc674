from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from photochanger.adapters.providers.darkroom import Darkroom
from tests.support.clock import FakeClock
from tests.support.drivers import FakeDriver, step
from tests.support.product import Product, SharedImaging, running_product
from tests.support.series import Series


@pytest.fixture
def driver() -> FakeDriver:
    return FakeDriver()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def studio(
    tmp_path: Path, shared_imaging: SharedImaging, driver: FakeDriver, clock: FakeClock
) -> AsyncIterator[Product]:
    """The product with `driver` beside the darkroom; `slot-001` asks it alone."""
    providers = (Darkroom(shared_imaging), driver)
    async with running_product(tmp_path / "data", shared_imaging, providers=providers, clock=clock) as product:
        await product.change_slot(chain=[step()])
        yield product


@pytest.fixture(scope="module")
async def open_series(tmp_path_factory: pytest.TempPathFactory, shared_imaging: SharedImaging) -> AsyncIterator[Series]:
    driver = FakeDriver()
    providers = (Darkroom(shared_imaging), driver)
    environ = {"RATE_LIMIT_INGEST_BURST": "1000"}
    folder = tmp_path_factory.mktemp("series")
    async with running_product(folder, shared_imaging, providers=providers, environ=environ) as product:
        yield Series(product, driver)


@pytest.fixture
async def series(open_series: Series) -> Series:
    """A studio for many tests that leave no trace for the next: every photo is new to it."""
    product, driver = open_series
    driver.script.clear()
    driver.calls.clear()
    await product.change_slot(
        chain=[step()],
        duplicate_window_seconds=0,
        keep_shape=True,
        failure_policy="error",
        response_dialect="image",
    )
    return open_series
