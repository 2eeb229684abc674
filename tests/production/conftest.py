"""Machines on one PostgreSQL and one bucket: with `--database postgresql`, and where SeaweedFS is not left out."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.production import Installation, installation


@pytest.fixture(scope="session", autouse=True)
def wanted(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("database") != "postgresql":
        pytest.skip("runs with --database postgresql")


@pytest.fixture
async def installed(tmp_path: Path) -> AsyncIterator[Installation]:
    async with installation(tmp_path) as installed:
        yield installed
