"""A product of a test's own: a migrated database, a folder store, a clock that stands still, real imaging workers."""

import io
import logging
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aiobotocore.session
import pytest
from argon2 import PasswordHasher

from photochanger.adapters import passwords
from photochanger.web.log import configure
from tests.support import booth
from tests.support.canary import leaks
from tests.support.database import databases
from tests.support.patience import be_patient
from tests.support.postgres import running_cluster
from tests.support.product import SLOT_PASSWORD, Product, SharedImaging, running_product
from tests.support.s3 import ADDRESS_VARIABLE, s3_server, shared_session, stands
from tests.support.server import Server, running_server

_SERVERS = pytest.StashKey[ExitStack]()


def cheap_hasher(**_: int) -> PasswordHasher:
    """What a password costs is tested on its own: tests/adapters/test_passwords.py."""
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database", choices=["sqlite", "postgresql"], default="sqlite", help="what products stand on")
    parser.addoption("--store", choices=["local", "s3"], default="local", help="where they keep photos")
    parser.addoption("--kills", type=int, default=20, help="how often power is cut, both stacks together")
    parser.addoption("--fuzz-seconds", type=float, default=0, help="how long each fuzz target is tried, at least")
    parser.addoption("--examples", type=int, default=4, help="requests to each operation of the OpenAPI document")
    parser.addoption(
        "--cancelled-calls", type=int, default=100, help="how many calls each cloud driver is cancelled in"
    )


def pytest_configure(config: pytest.Config) -> None:
    """The servers of a run: started by the process that starts the workers, which hears where they are."""
    servers = config.stash[_SERVERS] = ExitStack()
    stands.on_s3 = config.getoption("store") == "s3"
    aiobotocore.session.get_session = shared_session
    be_patient()
    setattr(passwords, "PasswordHasher", cheap_hasher)  # noqa: B010 – for mypy it is a type
    given = getattr(config, "workerinput", None)
    if given is not None:
        databases.server = given["database_server"]
        return
    if config.getoption("database") == "postgresql":
        cluster = servers.enter_context(running_cluster())
        databases.server = cluster.url().replace("postgresql:", "postgresql+asyncpg:").removesuffix("/postgres")
    if ADDRESS_VARIABLE not in os.environ and "not s3" not in config.getoption("markexpr"):
        os.environ[ADDRESS_VARIABLE] = servers.enter_context(s3_server())
        servers.callback(os.environ.pop, ADDRESS_VARIABLE)


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_SERVERS].close()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["database_server"] = databases.server


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def product_log() -> Iterator[io.StringIO]:
    """What the product logs in this test, as it would be written. A secret in it fails the test."""
    root = logging.getLogger()
    before = (root.handlers, root.level)
    log = io.StringIO()
    configure("debug", "json", log)
    yield log
    root.handlers, root.level = before
    assert leaks(log.getvalue()) == []


@pytest.fixture(scope="session")
async def shared_imaging(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SharedImaging]:
    imaging = SharedImaging(workers=1, scratch=tmp_path_factory.mktemp("imaging") / "scratch")
    await imaging.start()
    yield imaging
    await imaging.really_close()


@pytest.fixture(autouse=True)
def folder_for_own_times(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("own_times"):
        monkeypatch.setattr(stands, "on_s3", False)


@pytest.fixture
async def product(tmp_path: Path, shared_imaging: SharedImaging) -> AsyncIterator[Product]:
    async with running_product(tmp_path / "data", shared_imaging) as product:
        yield product


@pytest.fixture(scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A process for the tests that do not kill it. `slot-001` and `slot-002` have a password, the second the captured
    booth's.
    """
    async with running_server(tmp_path_factory.mktemp("server"), RATE_LIMIT_INGEST_BURST="1000") as server:
        for slot, password in (("slot-001", SLOT_PASSWORD), ("slot-002", booth.PASSWORD)):
            ended = await server.run("slots", "set-password", slot, "--password-stdin", stdin=password.encode())
            assert ended.code == 0, ended.err
        yield server
