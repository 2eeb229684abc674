"""Fixtures of the tests that need a database and accounts; a conftest.py names the ones it wants."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from photochanger.adapters.db.session import Database
from photochanger.adapters.passwords import Passwords
from photochanger.features.accounts.service import AccountService
from tests.support.accounts import account_service
from tests.support.clock import FakeClock
from tests.support.database import fresh_database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await fresh_database(tmp_path / "test.db")
    yield database
    await database.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    passwords = Passwords()
    yield passwords
    passwords.close()


@pytest.fixture
def accounts(database: Database, clock: FakeClock, passwords: Passwords) -> AccountService:
    return account_service(database, clock, passwords)
