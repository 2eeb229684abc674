"""The process that runs jobs, and how others know that it is alive.

A lock file in the data directory is held as long as the process lives, whatever kills it; a heartbeat row tells
processes on other machines. Who takes a dead runner's lock deletes its file once nothing of the runner is left.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from photochanger.adapters.db.session import Database
from photochanger.core.clock import Clock
from photochanger.features.jobs.models import Runner
from photochanger.features.jobs.repository import RunnerRepository

BEAT_SECONDS = 5
DEAD_AFTER = timedelta(seconds=30)


class RunnerRegistry:
    """The runner of one process, and its view of the others."""

    def __init__(self, database: Database, clock: Clock, folder: Path, *, home: str) -> None:
        """`home` is a random id kept in the data directory: "same machine" means same home."""
        self._database = database
        self._clock = clock
        self._folder = folder
        self._home = home
        self._held: int | None = None
        self.runner_id = secrets.token_hex(6)

    async def start(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._held = _lock(self._lock_file(self.runner_id))
        await self.beat()

    async def beat(self) -> None:
        async with self._database.write() as session:
            await RunnerRepository(session).beat(self.runner_id, self._home, self._clock.now())

    async def stop(self) -> None:
        """After a clean end nothing of this runner is left for anybody to close."""
        if self._held is None:
            return
        async with self._database.write() as session:
            await RunnerRepository(session).delete([self.runner_id])
        self._lock_file(self.runner_id).unlink(missing_ok=True)
        os.close(self._held)
        self._held = None

    async def list_dead(self, *, by_heartbeat: bool) -> list[str]:
        """Runners whose lock is free (this machine), or that only left a file.

        `by_heartbeat`: also those of other machines whose heartbeat is old. It needs a clock that can be trusted.
        """
        async with self._database.read() as session:
            known = await RunnerRepository(session).list_all()
        now = self._clock.now()
        dead = {runner.runner_id for runner in known if self._is_dead(runner, now if by_heartbeat else None)}
        rowless = {file.stem for file in self._folder.glob("*.lock")} - {runner.runner_id for runner in known}
        return sorted(dead | {runner_id for runner_id in rowless if self._lock_is_free(runner_id)})

    async def forget(self, runner_ids: list[str]) -> None:
        """Called once nothing of these dead runners is left."""
        async with self._database.write() as session:
            await RunnerRepository(session).delete(runner_ids)
        for runner_id in runner_ids:
            with _try_lock(self._lock_file(runner_id)) as is_free:
                if is_free:
                    self._lock_file(runner_id).unlink(missing_ok=True)

    def _is_dead(self, runner: Runner, now: datetime | None) -> bool:
        if runner.runner_id == self.runner_id:
            return False
        if runner.home == self._home:
            return self._lock_is_free(runner.runner_id)
        return now is not None and now - runner.beat_at > DEAD_AFTER

    def _lock_is_free(self, runner_id: str) -> bool:
        with _try_lock(self._lock_file(runner_id)) as is_free:
            return is_free

    def _lock_file(self, runner_id: str) -> Path:
        return self._folder / f"{runner_id}.lock"


def _lock(file: Path) -> int:
    """A descriptor that holds the lock. The file gets its name when it is locked: no sweep can meet it free."""
    fresh = file.with_suffix(".new")
    handle = os.open(fresh, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    fresh.rename(file)
    return handle


@contextmanager
def _try_lock(file: Path) -> Iterator[bool]:
    """Whether nobody holds the lock; holds it meanwhile. A file that is gone was nobody's."""
    try:
        handle = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield True
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(handle)
