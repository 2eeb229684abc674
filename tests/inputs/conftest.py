"""One running server for all bad inputs of a worker; behind each of them it is as it was."""

from collections.abc import AsyncIterator

import pytest

from tests.support.door import Door
from tests.support.server import Server


@pytest.fixture(scope="session")
async def opened_door(server: Server) -> Door:
    door = Door(server)
    await door.open()
    return door


@pytest.fixture
async def door(opened_door: Door) -> AsyncIterator[Door]:
    opened_door.size = opened_door.server.log.stat().st_size
    yield opened_door
    await opened_door.left_in_order()
