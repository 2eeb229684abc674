"""What the window makes of vendors on a bad day: 2,000 photos through a chain of two of them and the darkroom, and the
same without failover. Is each answered in time, transformed, paid for once, and written down to the micro?

Starts PostgreSQL, the vendors and `photochanger serve` itself; draws a plot; ends with 1 when a goal is missed.
"""

import argparse
import asyncio
import itertools
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import matplotlib as mpl
from matplotlib import pyplot as plt

from benchmarks.support import (
    Photo,
    Product,
    Said,
    Vendors,
    circumstances,
    running_product,
    running_vendors,
    send,
    sender,
    small_photos,
    spread,
    verdict,
)
from tests.support.drivers import step
from tests.support.postgres import running_cluster

PLOT = Path(__file__).parents[1] / "docs/pictures/window.svg"
WINDOW = 10
"""Seconds; the shortest there is."""
GRACE = 0.25
TRANSFORMED_GOAL = 0.995
OPENAI_MICROS = 42_017
MIX = [
    {"do": "no_image", "weight": 30, "delay_ms": 300},
    {"do": "server_error", "weight": 10, "delay_ms": 100},
    {"do": "hang", "weight": 5},
    {"do": "deliver", "weight": 55, "delay_ms": 500},
]
PROMPT = "A hero of a comic"
CHAINS = {
    "gemini → openai → darkroom": [
        step("gemini", prompt=PROMPT),
        step("openai", prompt=PROMPT),
        step("darkroom", "vintage"),
    ],
    "gemini alone": [step("gemini", prompt=PROMPT)],
}


class Run(NamedTuple):
    chain: str
    said: list[Said]
    seconds: float
    attempts: list[Any]
    """Rows: job_id, provider, outcome, cost_micros, vendor_request_id."""
    books: dict[str, Any]
    stats: dict[str, Any]

    @property
    def transformed_share(self) -> float:
        return sum(said.is_transformed for said in self.said) / len(self.said)

    @property
    def slowest(self) -> float:
        return max(said.seconds for said in self.said)

    @property
    def known_micros(self) -> int:
        return sum(attempt["cost_micros"] or 0 for attempt in self.attempts)

    @property
    def is_ledger_right(self) -> bool:
        """In sum, by the product's own statistics, and call by call: each billed picture is one attempt's."""
        billed = {f"sim-{call['number']}": call["price_micros"] for call in self._billed()}
        paid = {each["vendor_request_id"]: each["cost_micros"] for each in self.attempts if each["cost_micros"]}
        sums = {self.known_micros, self.books["billed_micros"], self.stats["cost_micros"]}
        return len(sums) == 1 and billed == paid

    @property
    def photos_in_books(self) -> int:
        return len({call["pictures"][0]["sha256"] for call in self.books["calls"]})

    @property
    def photos_with_calls(self) -> int:
        """As the product knows them. As many as the vendors do, or they cannot tell photos apart."""
        calls = [each for each in self.attempts if each["provider"] != "darkroom" and each["outcome"] != "skipped"]
        return len({each["job_id"] for each in calls})

    @property
    def billed_twice(self) -> int:
        """Photos of which more than one picture was handed out and billed."""
        pictures = Counter(call["pictures"][0]["sha256"] for call in self._billed())
        return sum(count > 1 for count in pictures.values())

    def _billed(self) -> list[dict[str, Any]]:
        return [call for call in self.books["calls"] if call["is_handed_out"] and call["price_micros"]]


async def booths(url: str, count: int, supply: Iterator[Photo]) -> list[Said]:
    """Each sends its next photo when the last one was answered."""

    async def booth(client: httpx.AsyncClient) -> list[Said]:
        return [await send(client, "slot-001", photo) for photo in supply]

    async with sender(url) as client:
        said = await asyncio.gather(*(booth(client) for _ in range(count)))
    return [*itertools.chain.from_iterable(said)]


async def measure(product: Product, vendors: Vendors, chain: str, supply: Iterator[Photo], booth_count: int) -> Run:
    await product.change_slot("slot-001", chain=CHAINS[chain], max_concurrency=100)
    await vendors.forget()
    for seed, vendor in enumerate(("gemini", "openai")):
        price = OPENAI_MICROS if vendor == "openai" else None
        await vendors.play(vendor, mix=MIX, seed=seed, price_micros=price)
    began = time.monotonic()
    said = await booths(product.server.url, booth_count, supply)
    seconds = time.monotonic() - began
    jobs = ",".join(f"'{each.job_id}'" for each in said if each.job_id)
    columns = "job_id, provider, outcome, cost_micros, vendor_request_id"
    attempts = await product.query(f"SELECT {columns} FROM attempts WHERE job_id IN ({jobs})")
    answer = await product.admin.get("/api/stats/system", params={"window_minutes": 60, "slot_id": "slot-001"})
    return Run(chain, said, seconds, attempts, await vendors.books(), answer.raise_for_status().json())


def report(runs: list[Run], booth_count: int) -> None:
    rows: dict[str, Callable[[Run], str]] = {
        "photos": lambda run: f"{len(run.said):,}",
        "**answered with a transformed photo**": lambda run: f"**{run.transformed_share:.2%}**",
        "made by": lambda run: _counts(each["provider"] for each in run.attempts if each["outcome"] == "delivered"),
        "answers": lambda run: _counts(said.answer for said in run.said),
        "latest answer": lambda run: f"{run.slowest:.2f} s: window {run.slowest - WINDOW:+.2f} s",
        "wait, p50 / p95 / p99 / max": lambda run: spread([said.seconds for said in run.said]),
        "calls of vendors": lambda run: f"{len(run.books['calls']):,} for {run.photos_in_books:,} photos",
        "how calls ended": lambda run: _counts(each["outcome"] for each in run.attempts),
        "photos billed twice": lambda run: str(run.billed_twice),
        "vendors’ books": lambda run: f"{run.books['billed_micros']:,} micros",
        "the product’s ledger": lambda run: (
            f"{run.known_micros:,} micros, {'equal' if run.is_ledger_right else 'NOT EQUAL'}"
        ),
        "calls whose cost is unknown": lambda run: str(sum(each["cost_micros"] is None for each in run.attempts)),
        "made and not fetched": lambda run: f"{run.books['abandoned_micros']:,} micros",
        "paid for, not handed out": lambda run: str(
            sum(bool(each["cost_micros"]) and each["outcome"] != "delivered" for each in run.attempts)
        ),
        "photos a second": lambda run: f"{len(run.said) / run.seconds:.1f}, {booth_count} booths",
    }
    print("| | " + " | ".join(run.chain for run in runs) + " |")
    print("|---|" + "---|" * len(runs))
    for name, cell in rows.items():
        print(f"| {name} | " + " | ".join(cell(run) for run in runs) + " |")


def _counts(found: Iterable[str]) -> str:
    return ", ".join(f"{count:,} × {what}" for what, count in Counter(found).most_common())


def draw(runs: list[Run]) -> None:
    """The share of photos that were there, transformed, after so many seconds."""
    mpl.rcParams |= {"svg.hashsalt": "window", "font.size": 11}
    figure, axes = plt.subplots(figsize=(8, 4.2), layout="constrained")
    for run, colour in zip(runs, ("#1f6f5c", "#b4552d"), strict=True):
        waits = sorted(said.seconds for said in run.said if said.is_transformed)
        every = max(1, len(waits) // 400)
        shares = [100 * (place + 1) / len(run.said) for place in range(len(waits))]
        label = f"{run.chain}: {run.transformed_share:.1%}"
        axes.step(
            [0, waits[0], *waits[::every], waits[-1], WINDOW],
            [0, 0, *shares[::every], shares[-1], shares[-1]],
            where="post",
            color=colour,
            label=label,
        )
    axes.axvline(WINDOW, color="#777777", linestyle="--", linewidth=1)
    axes.text(WINDOW - 0.1, 3, "window closes", ha="right", color="#555555")
    axes.set(xlabel="seconds since the sender began", ylabel="% of photos answered, transformed")
    axes.set(xlim=(0, WINDOW * 1.03), ylim=(0, 102))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="center right", bbox_to_anchor=(0.95, 0.5), frameon=False)
    figure.savefig(PLOT, metadata={"Date": None}, facecolor="white")


async def run_all(count: int, booth_count: int) -> list[Run]:
    with tempfile.TemporaryDirectory(prefix="photochanger-benchmark-") as temporary, running_cluster() as cluster:
        folder = Path(temporary)
        print(await circumstances(cluster), "\n")
        runs: list[Run] = []
        async with running_vendors(folder) as vendors:
            for number, chain in enumerate(CHAINS):
                environ = {"SYNC_RESPONSE_SECONDS": str(WINDOW), **vendors.environ}
                async with running_product(cluster, folder / f"window_{number}", **environ) as product:
                    price = {"provider": "openai", "unit": "image", "micros": OPENAI_MICROS}
                    (await product.admin.put("/api/prices", json=price)).raise_for_status()
                    runs.append(await measure(product, vendors, chain, small_photos(count), booth_count))
    return runs


def main(count: int, booth_count: int) -> bool:
    runs = asyncio.run(run_all(count, booth_count))
    report(runs, booth_count)
    draw(runs)
    chained = runs[0]
    return verdict(
        {
            f"{TRANSFORMED_GOAL:.1%} transformed": chained.transformed_share >= TRANSFORMED_GOAL,
            f"every answer by the window + {GRACE} s": all(run.slowest <= WINDOW + GRACE for run in runs),
            "no photo billed twice": all(run.billed_twice == 0 for run in runs),
            "vendors can tell photos apart": all(run.photos_in_books == run.photos_with_calls for run in runs),
            "the ledger equals the books": all(run.is_ledger_right for run in runs),
        }
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=2000, help="in each of the two runs (2000)")
    parser.add_argument("--booths", type=int, default=12, help="how many send at once, each one after another (12)")
    given = parser.parse_args()
    sys.exit(0 if main(given.photos, given.booths) else 1)
