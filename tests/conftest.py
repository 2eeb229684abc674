"""A product of a test's own: a migrated database, a folder store, a clock that stands still, real imaging workers."""

import io
import logging
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from photochanger.web.log import configure
from tests.support.canary import leaks
from tests.support.database import databases
from tests.support.postgres import running_cluster
from tests.support.product import Product, SharedImaging, running_product
from tests.support.s3 import ADDRESS_VARIABLE, s3_server


def pytest_configure(config: pytest.Config) -> None:
    """The store's server starts once a run, in the process that has workers or is alone."""
    is_worker = hasattr(config, "workerinput")
    if is_worker or ADDRESS_VARIABLE in os.environ or "not s3" in config.getoption("markexpr"):
        return
    running = s3_server()
    os.environ[ADDRESS_VARIABLE] = running.__enter__()

    def stop() -> None:
        del os.environ[ADDRESS_VARIABLE]
        running.__exit__(None, None, None)

    config.add_cleanup(stop)


_CLUSTER = pytest.StashKey[ExitStack]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database", choices=["sqlite", "postgresql"], default="sqlite", help="what products stand on")


def pytest_configure(config: pytest.Config) -> None:
    """One cluster for the run: started by the process that starts the workers, which tells them where it is."""
    config.stash[_CLUSTER] = ExitStack()
    given = getattr(config, "workerinput", None)
    if given is not None:
        databases.server = given["database_server"]
    elif config.getoption("database") == "postgresql":
        cluster = config.stash[_CLUSTER].enter_context(running_cluster())
        databases.server = cluster.url().replace("postgresql:", "postgresql+asyncpg:").removesuffix("/postgres")


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_CLUSTER].close()


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


@pytest.fixture
async def product(tmp_path: Path, shared_imaging: SharedImaging) -> AsyncIterator[Product]:
    async with running_product(tmp_path / "data", shared_imaging) as product:
        yield product
