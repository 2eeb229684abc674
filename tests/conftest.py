"""A product of a test's own: a migrated database, a folder store, a clock that stands still, real imaging workers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.product import Product, SharedImaging, running_product


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
async def shared_imaging(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SharedImaging]:
    imaging = SharedImaging(workers=1, scratch=tmp_path_factory.mktemp("imaging") / "scratch")
    await imaging.start()
    yield imaging
    await imaging.really_close()


@pytest.fixture
async def product(tmp_path: Path, shared_imaging: SharedImaging) -> AsyncIterator[Product]:
    async with running_product(tmp_path / "data", shared_imaging) as product:
        yield product
