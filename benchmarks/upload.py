"""An upload against its limit and its peers: the product, aiobotocore sending the same bytes from memory (the limit), a
bare receiver that forwards parts (the floor), FastAPI with boto3, and Express with multer-s3; in turns, in one run, on
one SeaweedFS.

Starts all of them itself, the peers' packages in a temporary folder; draws a plot; ends with 1 when a goal is missed.
"""

import argparse
import asyncio
import itertools
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import aiobotocore.session
import matplotlib as mpl
import psutil
import uvloop
from matplotlib import pyplot as plt

from benchmarks.contestants import (
    EXPRESS,
    FASTAPI,
    FLOOR,
    LIMIT,
    PRODUCT,
    Contestant,
    running_contestants,
    versions,
)
from benchmarks.load import Form, Took, Usage, send
from benchmarks.support import circumstances, percentile, verdict
from tests.support.pictures import jpeg
from tests.support.postgres import Cluster, running_cluster
from tests.support.s3 import S3Address, s3_server

PLOT = Path(__file__).parents[1] / "docs/pictures/upload.svg"
SIZES_MB = (2, 8, 50)
AT_ONCE = (1, 8, 32)
LIMIT_GOALS = {1: 1.15, 8: 1.20, 32: 1.25}
FLOOR_GOAL = 1.06
_TURN = 4
"""Uploads in a turn at least: those of one at a time come one after another."""
_VACUUM_BYTES = 4_000_000_000
_COLOURS = {LIMIT: "#9aa5a0", FLOOR: "#5f6f68", PRODUCT: "#1f6f5c", FASTAPI: "#b4552d", EXPRESS: "#d9a441"}


class Case(NamedTuple):
    size_mb: int
    at_once: int

    def __str__(self) -> str:
        return f"{self.size_mb} MB, {self.at_once} at a time"


class Result:
    """What one contestant came to in one case."""

    def __init__(self) -> None:
        self.took: list[Took] = []
        self.usage = Usage()

    @property
    def receive(self) -> float:
        return statistics.median(took.receive for took in self.took)

    @property
    def is_whole(self) -> bool:
        return all(took.status == 200 for took in self.took)  # noqa: PLR2004

    @property
    def server_cpu(self) -> float:
        """Seconds for each upload."""
        return self.usage.server_cpu / len(self.took)

    def cells(self) -> list[str]:
        walls, receives = [took.wall for took in self.took], [took.receive for took in self.took]
        refused = [str(took.status) for took in self.took if took.status != 200]  # noqa: PLR2004
        return [
            f"{len(self.took)}" + (f" (not answered with 200: {', '.join(refused)})" if refused else ""),
            *(
                f"{statistics.median(seconds) * 1000:,.0f} / {percentile(seconds, 0.95) * 1000:,.0f}"
                for seconds in (walls, receives)
            ),
            f"{self.server_cpu * 1000:,.0f}",
            f"{self.usage.tree_cpu / len(self.took) * 1000:,.0f}",
            f"{self.usage.peak_mb:,.0f}",
        ]


Results = dict[Case, dict[str, Result]]


async def measure(contestant: Contestant, form: Form, at_once: int, numbers: Iterator[int], result: Result) -> None:
    """One turn."""
    with result.usage.of(contestant.pid):
        for _ in range(max(1, _TURN // at_once)):
            sends = []
            for number in itertools.islice(numbers, at_once):
                pieces = () if contestant.makes_its_bytes else form.pieces(number)
                sends.append(send(contestant.port, contestant.head(form), *pieces))
            result.took += await asyncio.gather(*sends)


async def run_case(
    contestants: list[Contestant], case: Case, numbers: Iterator[int], rounds: int, bucket: "Bucket"
) -> dict[str, Result]:
    """Who begins changes from round to round; the first turn of each warms it up and does not count."""
    form = Form(jpeg(600, 400), case.size_mb * 1_000_000)
    results = {contestant.name: Result() for contestant in contestants}
    for contestant in contestants:
        await measure(contestant, form, 1, numbers, Result())
    for number in range(rounds):
        first = number % len(contestants)
        for contestant in contestants[first:] + contestants[:first]:
            began = time.monotonic()
            await measure(contestant, form, case.at_once, numbers, results[contestant.name])
            print(f"{case}, {number + 1}: {contestant.name} {time.monotonic() - began:.1f} s", file=sys.stderr)
            await bucket.empty(form.photo_bytes * max(case.at_once, _TURN))
    return results


class Bucket:
    def __init__(self, place: S3Address) -> None:
        self._place = place
        self._deleted_bytes = 0

    async def empty(self, size_bytes: int) -> None:
        """Nobody is measured on a disk that the others filled. `size_bytes`: about what lies in it."""
        place, session = self._place, aiobotocore.session.get_session()
        keys = {"aws_access_key_id": place.access_key, "aws_secret_access_key": place.secret_key}
        async with session.create_client("s3", endpoint_url=place.endpoint, region_name="us-east-1", **keys) as client:
            async for page in client.get_paginator("list_objects_v2").paginate(Bucket=place.bucket):
                if found := [{"Key": each["Key"]} for each in page.get("Contents", [])]:
                    await client.delete_objects(Bucket=place.bucket, Delete={"Objects": found, "Quiet": True})
        self._deleted_bytes += size_bytes
        if self._deleted_bytes > _VACUUM_BYTES:
            await asyncio.to_thread(_vacuum)
            self._deleted_bytes = 0


def _vacuum() -> None:
    """SeaweedFS keeps what was deleted until its master is told; where that one listens, its command line says."""
    for process in psutil.Process().children():
        words = process.cmdline()
        if "-master.port" in words:
            port = words[words.index("-master.port") + 1]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/vol/vacuum?garbageThreshold=0.01") as answer:
                answer.read()


async def run_all(
    cases: list[Case], rounds: int, cluster: Cluster, place: S3Address, folder: Path, packages: Path
) -> Results:
    print(await circumstances(cluster) + f"; {versions()}; {rounds} rounds\n")
    numbers, bucket = itertools.count(), Bucket(place)
    results: Results = {}
    async with running_contestants(cluster, place, folder, packages) as contestants:
        for case in cases:
            results[case] = await run_case(contestants, case, numbers, rounds, bucket)
    return results


def report(results: Results) -> None:
    for case, found in results.items():
        print(f"\n**{case}**\n")
        print(
            "| | uploads | wall, ms: p50 / p95 | receive, ms: p50 / p95 | × limit | × floor | CPU of the server, ms "
            "an upload | CPU with workers | peak RSS of the tree, MB |"
        )
        print("|---" * 9 + "|")
        for name in (LIMIT, FLOOR, PRODUCT, FASTAPI, EXPRESS):
            if result := found.get(name):
                uploads, wall, receive, *usage = result.cells()
                ratios = [f"{result.receive / found[other].receive:.2f}" for other in (LIMIT, FLOOR)]
                print("| " + " | ".join((name, uploads, wall, receive, *ratios, *usage)) + " |")


def draw(results: Results) -> None:
    """A panel for each size: how long until the photo is in the bucket, and for the product also the whole wait."""
    mpl.rcParams |= {"svg.hashsalt": "upload", "font.size": 10}
    sizes = sorted({case.size_mb for case in results})
    figure, panels = plt.subplots(1, len(sizes), figsize=(3.4 * len(sizes), 3.8), layout="constrained", squeeze=False)
    for axes, size_mb in zip(panels[0], sizes, strict=True):
        cases = [case for case in results if case.size_mb == size_mb]
        for place, name in enumerate(_COLOURS):
            known = [(at, results[case][name]) for at, case in enumerate(cases) if name in results[case]]
            where = [at + (place - 2) * 0.17 for at, _ in known]
            medians = [result.receive * 1000 for _, result in known]
            axes.bar(where, medians, 0.16, color=_COLOURS[name], label=name)
            if name == PRODUCT:
                walls = [statistics.median(took.wall for took in result.took) * 1000 for _, result in known]
                axes.bar(
                    where, walls, 0.16, fill=False, edgecolor=_COLOURS[name], linestyle=":", label="… with the darkroom"
                )
        axes.set(title=f"{size_mb} MB", yscale="log", xticks=range(len(cases)), xlabel="at a time")
        axes.set_xticklabels([str(case.at_once) for case in cases])
        axes.grid(axis="y", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0][0].set_ylabel("ms until it is in the bucket, median")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.savefig(PLOT, metadata={"Date": None}, facecolor="white")


def goals(results: Results) -> dict[str, bool]:
    reached: dict[str, bool] = {}
    for case, found in results.items():
        product = found[PRODUCT]
        reached[f"{case}: every photo answered"] = all(result.is_whole for result in found.values())
        if case.size_mb == max(SIZES_MB):
            wanted = LIMIT_GOALS.get(case.at_once, max(LIMIT_GOALS.values()))
            reached[f"{case}: ≤ {wanted:.2f} × limit"] = product.receive <= wanted * found[LIMIT].receive
            reached[f"{case}: ≤ {FLOOR_GOAL} × floor"] = product.receive <= FLOOR_GOAL * found[FLOOR].receive
        for name in (FASTAPI, EXPRESS):
            if peer := found.get(name):
                reached[f"{case}: ahead of {name}"] = product.receive < peer.receive
                reached[f"{case}: less CPU than {name}"] = product.server_cpu < peer.server_cpu
    return reached


def main(sizes: list[int], at_once: list[int], rounds: int, packages: Path | None) -> bool:
    cases = [Case(*case) for case in itertools.product(sizes, at_once)]
    temporary = tempfile.TemporaryDirectory(prefix="photochanger-benchmark-")
    with temporary as folder, running_cluster() as cluster, s3_server() as endpoint:
        kept = (packages or Path(folder)).absolute()
        results = uvloop.run(run_all(cases, rounds, cluster, S3Address(endpoint), Path(folder), kept))
    report(results)
    draw(results)
    return verdict(goals(results))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, action="append", help="size of the photos (2, 8 and 50)")
    parser.add_argument("--at-once", type=int, action="append", help="how many at a time (1, 8 and 32)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each in each case (5)")
    parser.add_argument("--packages", type=Path, help="a folder where the peers' packages stay for the next run")
    given = parser.parse_args()
    chosen = (given.mb or [*SIZES_MB], given.at_once or [*AT_ONCE])
    sys.exit(0 if main(*chosen, given.rounds, given.packages) else 1)
