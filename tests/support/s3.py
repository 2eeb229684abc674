"""A real S3 server (SeaweedFS), once per run, with one bucket; every test gets a prefix of its own in it."""

import asyncio
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from types import MappingProxyType

import aiobotocore.session
from msgspec import Struct

BUCKET = "photos"
ACCESS_KEY = "AKTESTPHOTOCHANGER"
SECRET_KEY = "secret-of-the-test-store-0123456789"
ADDRESS_VARIABLE = "PHOTOCHANGER_TEST_S3"
"""Where the workers of a test run find the server that their controller started."""
_SECONDS = 30
_TRIES = 3
_PORTS = MappingProxyType(
    {
        "-s3.port": 0,
        "-s3.port.grpc": 1,
        "-master.port": 2,
        "-master.port.grpc": 3,
        "-volume.port": 4,
        "-volume.port.grpc": 5,
        "-filer.port": 6,
        "-filer.port.grpc": 7,
        "-admin.port": 8,
        "-admin.port.grpc": 9,
    }
)
_OPTIONS = (
    *("-ip", "127.0.0.1", "-ip.bind", "127.0.0.1", "-admin.ui=false", "-webdav=false"),
    *("-s3.port.iceberg", "0", "-s3.port.lance", "0", "-s3.autoCreateBucket=false"),
    *("-s3.allowDeleteBucketNotEmpty=false", "-master.telemetry=false"),
    *("-master.volumeSizeLimitMB", "64", "-volume.max", "200"),
)


class S3Address(Struct, frozen=True):
    """Where it listens, and what beginning of keys a test has to itself."""

    endpoint: str
    prefix: str = ""
    bucket: str = BUCKET
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY

    @property
    def port(self) -> int:
        return int(self.endpoint.rpartition(":")[2])

    @property
    def environ(self) -> dict[str, str]:
        return {
            "MEDIA_STORAGE_PROVIDER": "s3",
            "S3_ENDPOINT": self.endpoint,
            "S3_BUCKET": self.bucket,
            "S3_PREFIX": self.prefix,
            "S3_ACCESS_KEY": self.access_key,
            "S3_SECRET_KEY": self.secret_key,
        }


def own_place() -> S3Address:
    """A prefix nobody else has, on the server of this run."""
    return S3Address(os.environ[ADDRESS_VARIABLE], prefix=f"{uuid.uuid4().hex}/")


def place_of(data_dir: Path) -> S3Address:
    """The prefix that belongs to a product's data directory: who starts on it again finds its photos."""
    name = hashlib.sha256(str(data_dir).encode()).hexdigest()[:32]
    return S3Address(os.environ[ADDRESS_VARIABLE], prefix=f"{name}/")


shared_session = cache(aiobotocore.session.get_session)
"""A session reads S3's description, which takes longer than most tests: a run's products share one."""


class Stands:
    """Whether this run's products keep their photos on the S3 server: `pytest --store s3`."""

    on_s3 = False


stands = Stands()


def free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def s3_server() -> Iterator[str]:
    """Its endpoint. Stopped by its own pid, and its folder removed, whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix="photochanger-s3-"))
    ports: list[int] = []
    try:
        process, ports = _start(folder)
        try:
            endpoint = f"http://127.0.0.1:{ports[0]}"
            asyncio.run(_make_bucket(endpoint))
            yield endpoint
        finally:
            _stop(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for port in ports:
            for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                left.unlink(missing_ok=True)


def _start(folder: Path) -> tuple["subprocess.Popen[bytes]", list[int]]:
    """Ports are free when they are looked for; where somebody else was faster, others are tried."""
    for tries_left in reversed(range(_TRIES)):
        ports = free_ports(len(_PORTS))
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                _command(folder, ports), stdout=log, stderr=log, cwd=folder, env=_environ(folder)
            )
        try:
            _wait_until_ready(process, ports[0], folder / "log")
        except BaseException as problem:
            _stop(process)
            if not (tries_left and isinstance(problem, RuntimeError)):
                raise
        else:
            return process, ports
    raise AssertionError("the last try raises")


def _command(folder: Path, ports: list[int]) -> list[str]:
    identity = {
        "name": "tests",
        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    (folder / "data").mkdir(exist_ok=True)
    listening = [part for name, index in _PORTS.items() for part in (name, str(ports[index]))]
    places = ["-dir", str(folder / "data"), "-s3.config", str(folder / "s3.json")]
    weed = str(Path(sys.executable).with_name("weed"))
    return [weed, "-logtostderr=true", "mini", *places, *listening, *_OPTIONS]


def _environ(folder: Path) -> dict[str, str]:
    """Several volumes to write to at once: each has one writer."""
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "WEED_MASTER_VOLUME_GROWTH_COPY_1": "7"}


def _wait_until_ready(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz"):
            return
        time.sleep(0.05)
    raise RuntimeError(f"SeaweedFS did not start:\n{log.read_text(errors='replace')[-2000:]}")


async def _make_bucket(endpoint: str) -> None:
    session = aiobotocore.session.get_session()
    keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY}
    async with session.create_client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys) as client:
        await client.create_bucket(Bucket=BUCKET)
        await client.put_object(Bucket=BUCKET, Key="first", Body=b"")  # makes the volumes, which takes its time
        await client.delete_object(Bucket=BUCKET, Key="first")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Stored(Struct):
    """Keys, without the prefix of their place."""

    objects: list[str]
    uploads: list[str]


async def stored(address: S3Address) -> Stored:
    """Objects and open uploads of a place, asked without the product's store."""
    session = shared_session()
    keys = {"aws_access_key_id": address.access_key, "aws_secret_access_key": address.secret_key}
    found: dict[str, list[str]] = {}
    async with session.create_client("s3", endpoint_url=address.endpoint, region_name="us-east-1", **keys) as client:
        for operation, members in (("list_objects_v2", "Contents"), ("list_multipart_uploads", "Uploads")):
            pages = client.get_paginator(operation).paginate(Bucket=address.bucket, Prefix=address.prefix)
            names = [each["Key"].removeprefix(address.prefix) async for page in pages for each in page.get(members, [])]
            found[members] = sorted(names)
    return Stored(found["Contents"], found["Uploads"])


async def leftovers(address: S3Address) -> list[str]:
    found = await stored(address)
    return sorted(found.objects + found.uploads)
