from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from photochanger.adapters.db.engine import create_engine
from tests.support.postgres import BINARIES, running_cluster


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every PostgreSQL there is, or SQLite."""
    if "empty" in metafunc.fixturenames:
        kinds = BINARIES if metafunc.config.getoption("database") == "postgresql" else [None]
        metafunc.parametrize("empty", kinds, indirect=True, scope="function")


@pytest.fixture
async def empty(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """An engine on a database without any table."""
    if request.param is None:
        engine = create_engine(f"sqlite+aiosqlite:///{tmp_path}/test.db")
        yield engine
        await engine.dispose()
        return
    with running_cluster(request.param) as cluster:
        engine = create_engine(cluster.url().replace("postgresql:", "postgresql+asyncpg:"))
        yield engine
        await engine.dispose()
