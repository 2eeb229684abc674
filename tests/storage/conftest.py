from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from photochanger.adapters.storage.store import ObjectStore
from tests.support.stores import MAKERS, Bench


@pytest.fixture(params=MAKERS)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    bench = MAKERS[request.param](str(tmp_path / "store"))
    yield bench
    await bench.store.close()


@pytest.fixture
def store(bench: Bench) -> ObjectStore:
    return bench.store
