"""The product's own goals in one run: photos of 50 MB, a vendor that takes 3 seconds, a few booths.

Starts PostgreSQL, SeaweedFS, the vendors and `photochanger serve` itself; ends with 1 when a goal is missed.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from benchmarks.support import (
    LARGE_BYTES,
    Photo,
    Said,
    Vendors,
    camera_jpeg,
    circumstances,
    running_product,
    running_vendors,
    send,
    sender,
    spread,
    verdict,
)
from photochanger.core.limits import MIB
from tests.support.drivers import step
from tests.support.postgres import Cluster, running_cluster
from tests.support.s3 import S3Address, s3_server

MEAN_GOAL = 5.0
TRANSFORMED_GOAL = 0.95
TIMEOUT_GOAL = 0.05
VENDOR_SECONDS = 3.0
_PHASES = ("receive", "provider", "store")


class Run(NamedTuple):
    store: str
    said: list[Said]
    seconds: float

    @property
    def mean(self) -> float:
        return statistics.mean(said.seconds for said in self.said)

    def share(self, answer: str) -> float:
        return sum(said.answer == answer for said in self.said) / len(self.said)

    @property
    def transformed_share(self) -> float:
        return sum(said.is_transformed for said in self.said) / len(self.said)


async def measure(
    store: str,
    cluster: Cluster,
    vendors: Vendors,
    place: dict[str, str],
    folder: Path,
    booths: list[list[Photo]],
    every: float,
) -> Run:
    """Each booth has a slot of its own, and sends a photo `every` so many seconds, if the last one is answered."""
    async with running_product(cluster, folder / store, **vendors.environ, **place) as product:
        slots = [f"slot-{number + 1:03}" for number in range(len(booths))]
        for slot_id in slots:
            await product.change_slot(slot_id, chain=[step("gemini", prompt="A hero of a comic")])

        async def booth(number: int) -> list[Said]:
            said, next_at = [], began + every * number / len(booths)
            async with sender(product.server.url) as client:
                for photo in booths[number]:
                    await asyncio.sleep(next_at - time.monotonic())
                    next_at = max(next_at, time.monotonic()) + every
                    said.append(await send(client, slots[number], photo))
            return said

        began = time.monotonic()
        said = await asyncio.gather(*map(booth, range(len(booths))))
        return Run(store, [*chain.from_iterable(said)], time.monotonic() - began)


def report(runs: list[Run]) -> None:
    print(
        "| store | answers | 200, transformed | 504 | mean wait | p50 / p95 / p99 / max | receiving, vendor, storing |"
    )
    print("|---|---|---|---|---|---|---|")
    for run in runs:
        answers = ", ".join(f"{number} × {said}" for said, number in Counter(each.answer for each in run.said).items())
        shares = f"{run.transformed_share:.1%} | {run.share('504 provider-timeout'):.1%}"
        waits = f"**{run.mean:.2f} s** | {spread([said.seconds for said in run.said])}"
        means = [statistics.mean(said.phases[name] for said in run.said if said.phases) for name in _PHASES]
        phases = ", ".join(f"{seconds:.2f} s" for seconds in means)
        print(f"| {run.store} | {answers} | {shares} | {waits} | {phases} |")


async def run_all(stores: list[str], count: int, booth_count: int, every: float) -> list[Run]:
    jpeg = camera_jpeg()
    photos = [Photo(jpeg, number, size_bytes=LARGE_BYTES) for number in range(count)]
    booths = [photos[number::booth_count] for number in range(booth_count)]
    runs = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="photochanger-benchmark-")))
        cluster = stack.enter_context(running_cluster())
        # Its start has a loop of its own.
        endpoint = await asyncio.to_thread(stack.enter_context, s3_server()) if "s3" in stores else ""
        print(await circumstances(cluster))
        print(f"Photos of {photos[0].size_bytes / MIB:.1f} MiB, 4000 × 3000; the vendor takes {VENDOR_SECONDS} s;")
        print(f"{booth_count} booths, each with a photo every {every:g} s.\n")
        async with running_vendors(folder) as vendors:
            await vendors.play("gemini", mix=[{"delay_ms": round(VENDOR_SECONDS * 1000)}])
            for store in stores:
                place = S3Address(endpoint).environ if store == "s3" else {}
                runs.append(await measure(store, cluster, vendors, place, folder, booths, every))
    return runs


def main(stores: list[str], count: int, booth_count: int, every: float) -> bool:
    runs = asyncio.run(run_all(stores, count, booth_count, every))
    report(runs)
    return verdict(
        {
            f"mean wait {MEAN_GOAL} s": all(run.mean <= MEAN_GOAL for run in runs),
            f"{TRANSFORMED_GOAL:.0%} 200": all(run.transformed_share >= TRANSFORMED_GOAL for run in runs),
            f"at most {TIMEOUT_GOAL:.0%} 504": all(run.share("504 provider-timeout") <= TIMEOUT_GOAL for run in runs),
        }
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", choices=["s3", "local"], action="append", help="both where none is named")
    parser.add_argument("--photos", type=int, default=60, help="for each store, all booths together (60)")
    parser.add_argument("--booths", type=int, default=3, help="each sends one photo after another (3)")
    parser.add_argument("--every", type=float, default=10, help="seconds from one photo of a booth to its next (10)")
    given = parser.parse_args()
    sys.exit(0 if main(given.store or ["s3", "local"], given.photos, given.booths, given.every) else 1)
