"""Who takes part in `benchmarks.upload`: each a server of its own, on the same bucket."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.load import BOUNDARY, Form
from benchmarks.support import PASSWORD, Product, running_product
from tests.support.ports import free_port
from tests.support.postgres import Cluster
from tests.support.s3 import S3Address
from tests.support.server import until

PEERS = Path(__file__).parent / "peers"
LIMIT, FLOOR, PRODUCT, FASTAPI, EXPRESS = "limit", "floor", "PhotoChanger", "FastAPI", "Express"
_INSTALL_SECONDS = 300


class Contestant(NamedTuple):
    name: str
    pid: int
    port: int
    path: str = "/upload"
    makes_its_bytes: bool = False
    """It is told how many to send, and gets none."""

    def head(self, form: Form) -> bytes:
        lines = [f"POST {self.path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", "Connection: close"]
        if self.makes_its_bytes:
            lines += [f"X-Size: {form.photo_bytes}", "Content-Length: 0"]
        else:
            lines += [
                f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
                f"Content-Length: {form.size_bytes}",
                f"X-Slot-Password: {PASSWORD}",
            ]
        return "\r\n".join((*lines, "", "")).encode()


@asynccontextmanager
async def running_contestants(
    cluster: Cluster, place: S3Address, folder: Path, packages: Path
) -> AsyncIterator[list[Contestant]]:
    """Those for which this machine has what they need. Peers' packages are in `packages`, or get there."""
    environ = {**os.environ, **place.environ}
    async with AsyncExitStack() as running:
        limits = {
            "RATE_LIMIT_INGEST_RPS": "1000",
            "RATE_LIMIT_INGEST_BURST": "1000",
            "SYNC_RESPONSE_SECONDS": "60",
        }
        product = await running.enter_async_context(
            running_product(cluster, folder / "upload", **place.environ, **limits)
        )
        found = [await taking_part(product)]
        for kind in (LIMIT, FLOOR):
            command = [sys.executable, "-m", "benchmarks.peers.bare", kind]
            contestant = running.enter_context(_process(kind, command, Path.cwd(), environ, folder))
            found.append(contestant._replace(makes_its_bytes=kind == LIMIT))
        fastapi = [str(_python_with_peers(packages)), str(PEERS / "fast.py")]
        found.append(running.enter_context(_process(FASTAPI, fastapi, folder, environ, folder)))
        if modules := _node_packages(packages):
            express = ["node", str(PEERS / "express.mjs")]
            found.append(running.enter_context(_process(EXPRESS, express, modules, environ, folder)))
        for contestant in found:
            await until(partial(_listens, contestant.port), seconds=60)
        yield found


async def taking_part(product: Product) -> Contestant:
    await product.change_slot("slot-001")
    server = product.server
    return Contestant(PRODUCT, server.process.pid, server.port, "/api/ingest/slot-001")


@contextmanager
def _process(name: str, command: list[str], cwd: Path, environ: dict[str, str], folder: Path) -> Iterator[Contestant]:
    port = free_port()
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen([*command, str(port)], cwd=cwd, env=environ, stdout=log, stderr=log)
        try:
            yield Contestant(name, process.pid, port)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _python_with_peers(folder: Path) -> Path:
    environment = folder / "fastapi"
    if environment.exists():
        return environment / "bin/python"
    _run([sys.executable, "-m", "venv", str(environment)], folder)
    python = environment / "bin/python"
    _run([str(python), "-m", "pip", "install", "--quiet", "-r", str(PEERS / "requirements.txt")], folder)
    return python


def _node_packages(folder: Path) -> Path | None:
    if not shutil.which("node") or not shutil.which("npm"):
        print("Express is left out: there is no node, or no npm.\n")
        return None
    packages = folder / "express"
    if packages.exists():
        return packages
    packages.mkdir()
    shutil.copy(PEERS / "package.json", packages)
    _run(["npm", "install", "--silent", "--no-audit", "--no-fund"], packages)
    return packages


def _run(command: list[str], cwd: Path) -> None:
    ended = subprocess.run(command, cwd=cwd, capture_output=True, timeout=_INSTALL_SECONDS, check=False)
    if ended.returncode:
        raise SystemExit(f"{command[0]} failed:\n{ended.stderr.decode()}")


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def versions() -> str:
    """The peers' packages, as their lists name them."""
    python = (PEERS / "requirements.txt").read_text().replace("==", " ").splitlines()
    node = json.loads((PEERS / "package.json").read_text())["dependencies"]
    return ", ".join([*python, *(f"{name} {version}" for name, version in node.items())])
