"""What the product adds to a photo: the whole wait of a sender against the bare sequence of the same steps – upload,
shrink, transform, put – in one script, in turns. First one photo of 24 megapixels at a time, then 32 of 12 at once.

The script has the photo in memory and shrinks it from there, with the product's own picture code; it knows no HTTP, no
database and nobody it does not trust. It runs in as many processes as the product has imaging workers.
Starts PostgreSQL, SeaweedFS and `photochanger serve` itself; ends with 1 when a goal is missed.
"""

import argparse
import asyncio
import io
import itertools
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import uvloop

from benchmarks.contestants import Contestant, taking_part
from benchmarks.load import Form, Took, send
from benchmarks.peers.bare import PART_BYTES, Upload, connect
from benchmarks.support import camera_jpeg, circumstances, percentile, running_product, verdict
from photochanger.adapters.imaging import workers
from photochanger.adapters.imaging.darkroom_settings import Vintage
from photochanger.core.limits import LOCAL_PIXELS
from tests.support.drivers import step
from tests.support.postgres import Cluster, running_cluster
from tests.support.s3 import S3Address, s3_server

ONE_GOAL, MANY_GOAL = 1.25, 1.15
ANSWERED = 200


class Script:
    """The bare sequence. One in a process, which keeps its connections."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._client: Any = self._loop.run_until_complete(connect().__aenter__())
        self._count = itertools.count()

    def run(self, photo: bytes) -> dict[str, float]:
        """Seconds that each step took."""
        return self._loop.run_until_complete(self._run(photo))

    async def _run(self, photo: bytes) -> dict[str, float]:
        from photochanger.adapters.imaging import recipes  # noqa: PLC0415 – as in workers

        marks = [time.perf_counter()]
        await self._put(photo)
        marks.append(time.perf_counter())
        prepared = recipes.prepare(io.BytesIO(photo), "image/jpeg", LOCAL_PIXELS)
        marks.append(time.perf_counter())
        full = workers.develop(prepared.picture.data, Vintage(), {}).data
        marks.append(time.perf_counter())
        found = recipes.render_clean(full)
        small = (found.thumb_webp, found.thumb_jpeg, found.screen_webp, found.screen_jpeg)
        marks.append(time.perf_counter())
        await asyncio.gather(*map(self._put, [full, *(file.data for file in small)]))
        marks.append(time.perf_counter())
        steps = ("upload", "shrink", "transform", "renditions", "put")
        return {name: end - begin for name, (begin, end) in zip(steps, itertools.pairwise(marks), strict=True)}

    async def _put(self, data: bytes) -> None:
        upload = Upload(self._client, f"script/{os.getpid()}-{next(self._count)}", len(data))
        for start in range(0, len(data), PART_BYTES):
            await upload.send(data[start : start + PART_BYTES])
        await upload.finish()


_here: dict[str, Script] = {}


def begin(environ: dict[str, str]) -> None:
    """In each process, which is set up as an imaging worker is."""
    workers.start()
    os.environ.update(environ)
    _here["script"] = Script()


def run_script(path: str) -> dict[str, float]:
    return _here["script"].run(Path(path).read_bytes())


class Side(NamedTuple):
    """One who is measured; a turn's seconds, and what became of each photo."""

    walls: list[float]
    phases: list[dict[str, float]]

    @property
    def median(self) -> float:
        return statistics.median(self.walls)

    def cells(self) -> str:
        names = list(self.phases[0])
        means = (f"{name} {statistics.mean(each[name] for each in self.phases) * 1000:,.0f}" for name in names)
        walls = f"{self.median * 1000:,.0f} / {percentile(self.walls, 0.95) * 1000:,.0f}"
        return f"{len(self.walls)} | {len(self.phases)} | {walls} | {', '.join(means)}"


class Comparison(NamedTuple):
    title: str
    goal: float
    product: Side
    script: Side

    @property
    def ratio(self) -> float:
        return self.product.median / self.script.median


class Bench:
    def __init__(self, product: Contestant, pool: ProcessPoolExecutor, folder: Path) -> None:
        self._product = product
        self._pool = pool
        self._folder = folder
        self._numbers = itertools.count()

    async def compare(self, title: str, goal: float, photo: bytes, *, at_once: int, rounds: int) -> Comparison:
        """The first turn of each warms it up and does not count."""
        path = self._folder / "photo.jpg"
        path.write_bytes(photo)
        form = Form(photo)
        found = Comparison(title, goal, Side([], []), Side([], []))
        warm_up = max(at_once, os.cpu_count() or 1)
        await self._send(form, warm_up, Side([], []))
        await self._run(path, warm_up, Side([], []))
        for _ in range(rounds):
            await self._run(path, at_once, found.script)
            await self._send(form, at_once, found.product)
        return found

    async def _send(self, form: Form, at_once: int, into: Side) -> None:
        head = self._product.head(form)
        photos = [form.pieces(number) for number in itertools.islice(self._numbers, at_once)]
        began = time.perf_counter()
        took: list[Took] = await asyncio.gather(*(send(self._product.port, head, *photo) for photo in photos))
        into.walls.append(time.perf_counter() - began)
        if refused := [each.status for each in took if each.status != ANSWERED]:
            raise SystemExit(f"Photos were answered with {refused}.")
        into.phases.extend(each.phases for each in took)

    async def _run(self, path: Path, at_once: int, into: Side) -> None:
        loop = asyncio.get_running_loop()
        began = time.perf_counter()
        running = [loop.run_in_executor(self._pool, run_script, str(path)) for _ in range(at_once)]
        phases = await asyncio.gather(*running)
        into.walls.append(time.perf_counter() - began)
        into.phases.extend(phases)


async def run_all(rounds: int, many: int, cluster: Cluster, place: S3Address, folder: Path) -> list[Comparison]:
    print(await circumstances(cluster) + f"; {rounds} rounds\n")
    environ = place.environ | {"SYNC_RESPONSE_SECONDS": "60"}
    cores = os.cpu_count() or 1
    pool = ProcessPoolExecutor(cores, get_context("spawn"), begin, (place.environ,))
    with pool:
        async with running_product(cluster, folder / "photo", **environ) as product:
            await product.change_slot("slot-001", chain=[step("darkroom", "vintage")])
            bench = Bench(await taking_part(product), pool, folder)
            large, camera = camera_jpeg(6000, 4000, quality=83), camera_jpeg()
            one = f"one of 24 megapixels, {len(large) / 1e6:.1f} MB"
            all_at_once = f"{many} of 12 megapixels, {len(camera) / 1e6:.1f} MB, at once"
            return [
                await bench.compare(one, ONE_GOAL, large, at_once=1, rounds=4 * rounds),
                await bench.compare(all_at_once, MANY_GOAL, camera, at_once=many, rounds=rounds),
            ]


def report(comparisons: list[Comparison]) -> None:
    print("| | | turns | photos | ms until all are answered: p50 / p95 | mean ms of a photo’s steps | ratio |")
    print("|---|---|---|---|---|---|---|")
    for found in comparisons:
        print(f"| {found.title} | bare sequence | {found.script.cells()} | 1 |")
        print(f"| | PhotoChanger | {found.product.cells()} | **{found.ratio:.2f}** |")


def main(rounds: int, many: int) -> bool:
    temporary = tempfile.TemporaryDirectory(prefix="photochanger-benchmark-")
    with temporary as folder, running_cluster() as cluster, s3_server() as endpoint:
        found = uvloop.run(run_all(rounds, many, cluster, S3Address(endpoint), Path(folder)))
    report(found)
    return verdict({f"{each.title}: ≤ {each.goal} × the bare sequence": each.ratio <= each.goal for each in found})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="turns of many; those of one are four times as many (5)")
    parser.add_argument("--many", type=int, default=32, help="photos at once (32)")
    given = parser.parse_args()
    sys.exit(0 if main(given.rounds, given.many) else 1)
