from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from photochanger.adapters.storage.store import ObjectStore
from tests.support.s3 import own_place
from tests.support.stores import MAKERS, Bench, location_of


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.s3)])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    location = location_of(own_place()) if request.param == "s3" else str(tmp_path / "store")
    bench = MAKERS[request.param](location)
    yield bench
    await bench.store.close()


@pytest.fixture
def store(bench: Bench) -> ObjectStore:
    return bench.store
