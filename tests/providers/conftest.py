from collections.abc import AsyncIterator

import pytest

from tests.support.imaging import imaging
from tests.support.ports import free_port
from tests.support.vendors import Vendors, running_vendors

__all__ = ["imaging"]


@pytest.fixture(scope="session")
async def running() -> AsyncIterator[Vendors]:
    async with running_vendors() as vendors:
        yield vendors


@pytest.fixture
async def vendors(running: Vendors) -> Vendors:
    """Every call delivers, and the log is empty."""
    await running.restart()
    return running


@pytest.fixture
def unused_port() -> int:
    return free_port()
