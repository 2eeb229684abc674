"""Where the server's time goes while it receives photos of 50 MB: the functions that take most, by py-spy.

Starts PostgreSQL, SeaweedFS, `photochanger serve` and py-spy itself.
"""

import argparse
import asyncio
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import uvloop

from benchmarks.contestants import Contestant, taking_part
from benchmarks.load import Form, send
from benchmarks.support import circumstances, running_product
from tests.support.pictures import jpeg
from tests.support.postgres import Cluster, running_cluster
from tests.support.s3 import S3Address, s3_server

_IDLE = ("_worker (concurrent", "Runner.run (", "Condition.wait (", "pool_manager_loop (", "unix_poll (")
"""Where threads wait: py-spy does not know it everywhere."""
_RATE = 200
_MOST = 25
_PHOTO_BYTES = 50_000_000


async def record(product: Contestant, form: Form, count: int, to: Path) -> None:
    """While `count` photos come one after another."""
    spy = [str(Path(sys.executable).with_name("py-spy")), "record", "--pid", str(product.pid)]
    options = ["--rate", str(_RATE), "--format", "raw", "--output", str(to)]
    recording = await asyncio.create_subprocess_exec(*spy, *options, stdout=subprocess.DEVNULL)
    try:
        for number in range(count):
            await send(product.port, product.head(form), *form.pieces(number))
    finally:
        recording.send_signal(signal.SIGINT)
        await recording.wait()


def report(stacks: str) -> None:
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    total = 0
    for line in stacks.splitlines():
        stack, _, samples = line.rpartition(" ")
        frames = [re.sub(r":\d+\)$", ")", frame) for frame in stack.split(";")]
        if any(idle in frames[-1] for idle in _IDLE):
            continue
        total += int(samples)
        own[frames[-1]] += int(samples)
        whole.update(dict.fromkeys(frames, int(samples)))
    ours = Counter({name: count for name, count in whole.items() if "(photochanger/" in name})
    for title, counted in (("itself", own), ("ours, with what they call", ours)):
        print(f"\n| {title} | share |\n|---|---|")
        for name, count in counted.most_common(_MOST):
            print(f"| `{name}` | {count / total:.1%} |")


async def run_all(count: int, cluster: Cluster, place: S3Address, folder: Path) -> None:
    print(await circumstances(cluster) + f"; {count} photos of {_PHOTO_BYTES // 1_000_000} MB")
    async with running_product(cluster, folder / "flame", **place.environ) as running:
        product, form = await taking_part(running), Form(jpeg(600, 400), _PHOTO_BYTES)
        await send(product.port, product.head(form), *form.pieces(2**40))
        raw = folder / "raw"
        await record(product, form, count, raw)
    report(raw.read_text())


def main(count: int) -> None:
    temporary = tempfile.TemporaryDirectory(prefix="photochanger-benchmark-")
    with temporary as folder, running_cluster() as cluster, s3_server() as endpoint:
        uvloop.run(run_all(count, cluster, S3Address(endpoint), Path(folder)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=20, help="one after another (20)")
    main(parser.parse_args().photos)
