"""Behind each of these tests the log of the server that they share is searched for secrets."""

from collections.abc import Iterator

import pytest

from tests.support.canary import leaks


@pytest.fixture(autouse=True)
def no_secret_in_the_servers_log(request: pytest.FixtureRequest) -> Iterator[None]:
    server = request.getfixturevalue("server") if "server" in request.fixturenames else None
    yield
    if server is not None:
        log = server.log.read_text()
        assert leaks(log, server.secrets) == []
        assert "Traceback" not in log
