"""The product as a process of its own: started, asked, stopped, killed. And its commands, as processes too."""

import asyncio
import inspect
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import psutil

from tests.support.commands import Ended, run_command

COMMAND = Path(sys.executable).with_name("photochanger")
_SECONDS = 60
_BYTECODE = Path(tempfile.gettempdir()) / f"photochanger-bytecode-{os.getuid()}"
"""Compiled once for all starts, and not into the checkout."""


class Server:
    """One installation: a folder that the server and its commands share. `folder` is also where they are started."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self.log = folder / "server.log"
        self.credentials_file = folder / "credentials.json"
        self.environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPYCACHEPREFIX": str(_BYTECODE),
            "PHOTOCHANGER_DATA_DIR": str(self.data_dir),
            "RUNTIME_CREDENTIALS_FILE": str(self.credentials_file),
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "debug",
            **environ,
        }
        self.port = 0
        self.secrets: set[str] = set()
        """What was told to this server and must not be in its log."""
        self._process: subprocess.Popen[bytes] | None = None
        self._family: list[psutil.Process] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    async def start(self) -> None:
        """Returns when it listens."""
        self.folder.mkdir(parents=True, exist_ok=True)
        seen = len(self.lines())
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220 – returns at once
                [COMMAND, "serve", "--port", "0"], cwd=self.folder, env=self.environ, stdout=log, stderr=log
            )
        started = await self.logged(lambda line: line["event"] == "server.started", since=seen)
        self.port = started["port"]
        self._family = psutil.Process(self._process.pid).children(recursive=True)

    async def stop(self) -> int:
        """SIGTERM; the exit code."""
        return await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        await self._end(signal.SIGKILL)

    async def _end(self, kind: signal.Signals) -> int:
        process, self._process = self.process, None
        process.send_signal(kind)
        return await asyncio.to_thread(process.wait, _SECONDS)

    async def end(self) -> None:
        """Whatever state it is in."""
        if self._process is not None:
            await self.kill()

    async def survivors(self, *, seconds: float = 5) -> list[psutil.Process]:
        """Processes of the last server that outlived it by so long."""
        with suppress(TimeoutError):
            await until(lambda: not any(map(_is_alive, self._family)), seconds=seconds)
        return [process for process in self._family if _is_alive(process)]

    def workers(self) -> list[psutil.Process]:
        return [child for child in self._family if "spawn_main" in " ".join(child.cmdline())]

    async def run(self, *arguments: str | Path, stdin: bytes = b"", **environ: str) -> Ended:
        """`photochanger …` beside the server."""
        return await asyncio.to_thread(
            run_command,
            [str(argument) for argument in arguments],
            folder=self.folder,
            environ=self.environ | environ,
            stdin=stdin,
            seconds=_SECONDS,
        )

    async def execute(self, *command: str | Path, stdin: bytes = b"", **environ: str) -> Ended:
        ended = await asyncio.to_thread(
            subprocess.run,
            command,
            cwd=self.folder,
            env=self.environ | environ,
            input=stdin,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
        return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())

    def lines(self) -> list[dict[str, Any]]:
        """The log so far; a line that is no JSON is the event itself. The last may still be being written."""
        text = self.log.read_text() if self.log.exists() else ""
        return [_parsed(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    async def logged(self, wanted: Callable[[dict[str, Any]], bool], *, since: int = 0) -> dict[str, Any]:
        """Waits for a line."""
        found: list[dict[str, Any]] = []

        def is_there() -> bool:
            found.extend(line for line in self.lines()[since:] if wanted(line))
            assert found or self.process.poll() is None, self.log.read_text()
            return bool(found)

        await until(is_there, seconds=_SECONDS)
        return found[0]

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """What is in the database's file."""
        with closing(sqlite3.connect(self.data_dir / "photochanger.db")) as database:
            return database.execute(sql).fetchall()

    def stored_files(self) -> list[str]:
        """Everything in the folder store, unfinished uploads included."""
        root = self.data_dir / "media"
        return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


async def until(is_so: Callable[[], Any], *, seconds: float = 10) -> None:
    """For what other processes do, which no event tells. `is_so` may be asynchronous."""
    async with asyncio.timeout(seconds):
        while True:
            said = is_so()
            if await said if inspect.isawaitable(said) else said:
                return
            await asyncio.sleep(0.01)


def _is_alive(process: psutil.Process) -> bool:
    """A zombie is dead; it only waits for init."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _parsed(line: str) -> dict[str, Any]:
    try:
        parsed: dict[str, Any] = json.loads(line)
    except ValueError:
        return {"event": line}
    return parsed


@asynccontextmanager
async def running_server(folder: Path, **environ: str) -> AsyncIterator[Server]:
    server = Server(folder, **environ)
    await server.start()
    try:
        yield server
    finally:
        await server.end()
