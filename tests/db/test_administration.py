"""What an administrator is told about a PostgreSQL that is not ready or not there."""

from pathlib import Path

import asyncpg
import pytest

from tests.support.canary import MARK, leaks
from tests.support.database import databases
from tests.support.ports import free_port
from tests.support.server import Server


@pytest.fixture(autouse=True)
def wanted() -> None:
    if databases.server is None:
        pytest.skip("runs with --database postgresql")


@pytest.fixture
async def unmigrated(request: pytest.FixtureRequest) -> str:
    """The address of a database without any table."""
    name = f"e{abs(hash(request.node.nodeid))}"
    server = str(databases.server).replace("+asyncpg", "")
    connection = await asyncpg.connect(f"{server}/postgres")
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return f"{server}/{name}"


async def test_a_schema_that_is_behind_is_told_by_serve_and_doctor(tmp_path: Path, unmigrated: str):
    server = Server(tmp_path, DATABASE_URL=unmigrated)
    behind = "The database's schema is not the one of this version. Run `photochanger migrate` first.\n"
    assert await server.run("serve", "--port", "0") == (2, "", behind)
    asked = await server.run("doctor")
    assert asked.code == 1
    assert "BAD  database: its schema is not the one of this version\n     → Run `photochanger migrate`." in asked.out


@pytest.mark.parametrize("command", ["serve", "slots list", "doctor"])
async def test_a_database_that_is_not_there_is_told_without_its_password(tmp_path: Path, command: str):
    server = Server(tmp_path, DATABASE_URL=f"postgresql://photochanger:{MARK}@127.0.0.1:{free_port()}/none")
    ended = await server.run(*command.split())
    assert leaks(ended.out + ended.err) == []
    if command == "doctor":
        assert ended.code == 1
        assert "BAD  database: ConnectionRefusedError\n     → Check DATABASE_URL" in ended.out
    else:
        refused = "The database cannot be reached: ConnectionRefusedError. `photochanger doctor` says what to do.\n"
        assert ended == (2, "", refused)
