from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from photochanger.adapters.providers.darkroom import Darkroom
from tests.support.clock import FakeClock
from tests.support.drivers import FakeDriver, step
from tests.support.product import Product, SharedImaging, running_product


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
    providers = [Darkroom(shared_imaging), driver]
    async with running_product(tmp_path / "data", shared_imaging, providers=providers, clock=clock) as product:
        await product.change_slot(chain=[step()])
        yield product
