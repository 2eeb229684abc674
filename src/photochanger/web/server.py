"""How uvicorn is set up to serve the application, and how it ends. The address is the caller's choice; no other is."""

import math
import resource
import signal
import socket
from contextlib import suppress
from types import FrameType
from typing import Any

import structlog
import uvicorn

from photochanger.core.drain import Drain
from photochanger.web.guard import Guard

_LAST_ANSWERS_SECONDS = 3
"""At least, for answers on their way when the process has to end; longer while windows are open that were then."""
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
        timeout_graceful_shutdown=_LAST_ANSWERS_SECONDS,
    )


def run(app: Any, host: str, port: int, drain: Drain) -> None:
    """Serves until SIGINT or SIGTERM, and then until everybody has an answer who waits for one. The second signal ends
    the process at once.
    """
    allow_many_connections()
    with suppress(KeyboardInterrupt):
        _Server(server_config(app, host, port), drain).run()


def allow_many_connections() -> None:
    """Systems begin with 1,024 open files, which idle sockets alone use up; what they allow at most is far more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class _Server(uvicorn.Server):
    """uvicorn alone stops listening at the first signal, and waits for uploads as for answers."""

    def __init__(self, config: uvicorn.Config, drain: Drain) -> None:
        super().__init__(config)
        self._drain = drain
        self._is_ending = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for server in self.servers if self.started else ():
            for listener in server.sockets:
                host, port = listener.getsockname()[:2]
                _log.info("server.started", host=host, port=port)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self._is_ending:  # as kill -9, which loses nothing either
            signal.signal(sig, signal.SIG_DFL)
            signal.raise_signal(sig)
        self._is_ending = True
        self._captured_signals.append(sig)

    async def on_tick(self, counter: int) -> bool:
        """Every tenth of a second."""
        if self._is_ending and not self._drain.has_begun:
            self._drain.begin()
            _log.info("server.draining", seconds=math.ceil(self._drain.seconds_left))
        elif self._is_ending and self._drain.is_idle:
            self.should_exit = True
            left = math.ceil(self._drain.seconds_left)
            self.config.timeout_graceful_shutdown = max(_LAST_ANSWERS_SECONDS, left)
        return await super().on_tick(counter)
