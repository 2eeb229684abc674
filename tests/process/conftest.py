"""One server for the tests that do not kill it; after each of them its log is searched for secrets."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support import booth
from tests.support.canary import leaks
from tests.support.product import SLOT_PASSWORD
from tests.support.server import Server, running_server


@pytest.fixture(scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """Started on nothing. `slot-001` and `slot-002` have a password, the second the captured booth's."""
    async with running_server(tmp_path_factory.mktemp("server")) as server:
        for slot, password in (("slot-001", SLOT_PASSWORD), ("slot-002", booth.PASSWORD)):
            ended = await server.run("slots", "set-password", slot, "--password-stdin", stdin=password.encode())
            assert ended.code == 0, ended.err
        yield server


@pytest.fixture(autouse=True)
def no_secret_in_the_servers_log(request: pytest.FixtureRequest) -> Iterator[None]:
    server: Server | None = request.getfixturevalue("server") if "server" in request.fixturenames else None
    yield
    if server is not None:
        log = server.log.read_text()
        assert leaks(log, server.secrets) == []
        assert "Traceback" not in log
