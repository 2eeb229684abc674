"""How uvicorn is set up to serve the application. The address is the caller's; every other choice is made here."""

import resource
import socket
from contextlib import suppress
from typing import Any

import structlog
import uvicorn

from photochanger.web.guard import Guard

_GRACE_SECONDS = 65
"""The longest window, and time to store its result."""
_FILES = 65_536
_log = structlog.get_logger(__name__)


def server_config(app: Any, host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="auto",  # uvloop where there is one, which is everywhere but on Windows
        http=Guard,
        ws="none",
        lifespan="on",
        # Logging is set up before (`web/log.py`), and the access log is ours: uvicorn's prints queries.
        log_config=None,
        access_log=False,
        # On by default, and it believes whoever connects from this machine; `web/hosts.py` reads these headers.
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


def run(app: Any, host: str, port: int) -> None:
    """Serves until SIGINT or SIGTERM."""
    allow_many_connections()
    with suppress(KeyboardInterrupt):
        _Server(server_config(app, host, port)).run()


def allow_many_connections() -> None:
    """Systems begin with 1,024 open files, which idle sockets alone use up; what they allow at most is far more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for server in self.servers if self.started else ():
            for listener in server.sockets:
                host, port = listener.getsockname()[:2]
                _log.info("server.started", host=host, port=port)
