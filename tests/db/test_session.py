"""Units of work on the embedded database: writers of one process stand in line, and wait as long as it moves."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from photochanger.adapters.db import turns as module
from photochanger.adapters.db.session import Database, DatabaseUnavailable
from tests.support.database import embedded_database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await embedded_database(tmp_path / "test.db")
    yield database
    await database.close()


async def write(database: Database, seconds: float = 0) -> None:
    async with database.write() as session:
        await session.execute(text("UPDATE slots SET version = version + 1 WHERE slot_id = 'slot-001'"))
        await asyncio.sleep(seconds)


async def version(database: Database) -> int:
    async with database.read() as session:
        return int(await session.scalar(text("SELECT version FROM slots WHERE slot_id = 'slot-001'")) or 0)


async def test_writers_at_once_all_write(database: Database) -> None:
    await asyncio.gather(*(write(database) for _ in range(60)))
    assert await version(database) == 61


async def test_a_long_line_that_moves_is_waited_for(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.3)
    await asyncio.gather(*(write(database, 0.1) for _ in range(8)))
    assert await version(database) == 9


async def test_a_line_that_stands_still_is_503(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.2)
    holding = asyncio.create_task(write(database, 1.0))
    await asyncio.sleep(0)
    with pytest.raises(DatabaseUnavailable):
        await write(database)
    await holding
    await write(database)
    assert await version(database) == 3


async def test_a_file_that_another_process_holds_is_503_and_readers_go_on(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.6)
    other = sqlite3.connect(tmp_path / "test.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    answers = await asyncio.gather(*(write(database) for _ in range(12)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {DatabaseUnavailable}
    assert await version(database) == 1
    other.execute("ROLLBACK")
    other.close()
    await write(database)
    assert await version(database) == 2


async def test_a_raised_error_rolls_back(database: Database) -> None:
    async def break_off() -> None:
        async with database.write() as session:
            await session.execute(text("UPDATE slots SET version = 99"))
            raise KeyError

    with pytest.raises(KeyError):
        await break_off()
    assert await version(database) == 1
