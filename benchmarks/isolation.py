"""Whom a vendor that hangs disturbs: another slot's waits, and every endpoint that has nothing to do with it.

Starts PostgreSQL, the vendors and `photochanger serve` itself; ends with 1 when a goal is missed.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.support import (
    Photo,
    Product,
    Said,
    Vendors,
    circumstances,
    percentile,
    running_product,
    running_vendors,
    send,
    sender,
    small_photos,
    verdict,
)
from photochanger.adapters.db.engine import POOL_SIZE
from tests.support.drivers import step
from tests.support.postgres import running_cluster

MEDIAN_GOAL = 1.2
P95_GOAL_MS = 100
WINDOW = 60
"""Seconds; the longest there is."""
HANGING_SLOTS = ("slot-001", "slot-002", "slot-003")
VENDOR_SLOT, LOCAL_SLOT = "slot-004", "slot-005"
OTHERS = {VENDOR_SLOT: "its own vendor, 0.3 s", LOCAL_SLOT: "darkroom"}
FEW = 12
"""Photos that hang beside another slot's."""
HTML = {"Accept": "text/html"}
JSON = {"Accept": "application/json"}
WEBP = {"Accept": "image/webp"}


async def prepare(product: Product, vendors: Vendors, hanging: int) -> None:
    """Places for all that will hang; three of the slots share the vendor that does."""
    prompt = "A hero of a comic"
    each = -(-hanging // len(HANGING_SLOTS))
    for slot_id in HANGING_SLOTS:
        await product.change_slot(slot_id, chain=[step("gemini", prompt=prompt)], max_concurrency=each)
    await product.change_slot(VENDOR_SLOT, chain=[step("openai", prompt=prompt)])
    await product.change_slot(LOCAL_SLOT, chain=[step("darkroom", "vintage")])
    await product.change_settings(provider_concurrency={"gemini": hanging})
    await vendors.play("gemini", mix=[{"do": "hang"}])
    await vendors.play("openai", mix=[{"delay_ms": 300}])


@asynccontextmanager
async def hanging_jobs(
    product: Product, vendors: Vendors, photos: list[Photo], window: int
) -> AsyncIterator[list[Said]]:
    """All of them are at the vendor meanwhile; what their senders were told is in the list afterwards."""
    for slot_id in HANGING_SLOTS:
        await product.change_slot(slot_id, sync_response_seconds=window)
    await vendors.forget()
    told: list[Said] = []
    async with sender(product.server.url) as client:
        slots = [HANGING_SLOTS[number % len(HANGING_SLOTS)] for number in range(len(photos))]
        sending = [asyncio.create_task(send(client, *each)) for each in zip(slots, photos, strict=True)]
        while len((await vendors.books())["calls"]) < len(photos):
            assert not any(task.done() for task in sending), "the window is too short for so many on this machine"
            await asyncio.sleep(0.1)
        yield told
        assert not any(task.done() for task in sending), "some were over before the measurement was"
        told += await asyncio.gather(*sending)


class Waits(NamedTuple):
    """Of one slot, in seconds: while nothing hangs, and while something does."""

    alone: list[float]
    beside: list[float]

    @property
    def ratio(self) -> float:
        return statistics.median(self.beside) / statistics.median(self.alone)


async def measure_slots(
    product: Product, vendors: Vendors, rounds: int, supply: Iterator[Photo]
) -> tuple[dict[str, Waits], list[Said]]:
    """Rounds without and with hanging photos, in turn: whatever else the machine does happens to both."""
    waits = {slot_id: Waits([], []) for slot_id in OTHERS}
    told: list[Said] = []

    async def few(kept: str) -> None:
        async with sender(product.server.url) as client:
            for _ in range(5):
                for slot_id, found in waits.items():
                    said = await send(client, slot_id, next(supply))
                    assert said.is_transformed, said
                    getattr(found, kept).append(said.seconds)

    for _ in range(rounds):
        await few("alone")
        async with hanging_jobs(product, vendors, [next(supply) for _ in range(FEW)], WINDOW // 3) as answers:
            await few("beside")
        told += answers
    return waits, told


class Endpoint(NamedTuple):
    name: str
    method: str
    path: str
    options: dict[str, Any]
    idle: list[float]
    beside: list[float]
    """Milliseconds."""


async def endpoints(product: Product, job_id: str) -> list[Endpoint]:
    """What guests, administrators and machines ask for; `job_id` is a photo that is there."""
    admin = {"Authorization": product.admin.headers["Authorization"]}
    credentials = {"username": "benchmark", "password": "benchmark"}
    wanted: list[tuple[str, str, dict[str, Any]]] = [
        *(("GET", path, {}) for path in ("/livez", "/healthz", "/health/s3", "/metrics", "/schema/openapi.json")),
        ("GET", f"/public/slots/{LOCAL_SLOT}", {"headers": HTML}),
        ("GET", f"/public/slots/{LOCAL_SLOT}", {"headers": JSON}),
        ("GET", f"/public/results/{job_id}", {}),
        *(("GET", f"/public/results/{job_id}/{size}", {"headers": WEBP}) for size in ("thumb", "screen")),
        ("GET", f"/api/jobs/{job_id}", {}),
        *(
            ("GET", path, {"headers": admin})
            for path in (
                *(f"/api/jobs/{job_id}", "/api/jobs", f"/api/jobs?slot_id={HANGING_SLOTS[0]}&status=processing"),
                *("/api/slots", f"/api/slots/{LOCAL_SLOT}", f"/api/slots/{LOCAL_SLOT}/versions"),
                *("/api/stats/system", "/api/stats/slots", "/api/audit", "/api/prices", "/api/settings"),
            )
        ),
        *(("POST", f"/api/jobs/{job_id}/{what}", {"headers": admin}) for what in ("hide", "show")),
        ("POST", f"/api/slots/{LOCAL_SLOT}/cleanup", {"headers": admin}),
        ("POST", "/api/login", {"json": credentials}),
    ]
    return [
        Endpoint(f"{method} {path.replace(job_id, '{job_id}')}{_of(options)}", method, path, options, [], [])
        for method, path, options in wanted
    ]


def _of(options: dict[str, Any]) -> str:
    headers = options.get("headers", {})
    if "Authorization" in headers:
        return ", administrator"
    return ", page" if headers == HTML else ""


async def visit(product: Product, found: list[Endpoint], kept: str, rounds: int) -> None:
    """One after another, over and over, on one connection."""
    async with sender(product.server.url) as client:
        for _ in range(rounds):
            for endpoint in found:
                began = time.monotonic()
                answer = await client.request(endpoint.method, endpoint.path, **endpoint.options)
                getattr(endpoint, kept).append((time.monotonic() - began) * 1000)
                assert answer.is_success, (endpoint.name, answer.text)


async def measure_endpoints(
    product: Product, vendors: Vendors, hanging: int, rounds: int, supply: Iterator[Photo]
) -> tuple[list[Endpoint], list[Said], int]:
    """With the answers of the hanging photos, and how many connections the database had meanwhile."""
    async with sender(product.server.url) as client:
        seen = await send(client, LOCAL_SLOT, next(supply))
    found = await endpoints(product, seen.job_id)
    await visit(product, found, "idle", rounds)
    async with hanging_jobs(product, vendors, [next(supply) for _ in range(hanging)], WINDOW) as told:
        await visit(product, found, "beside", rounds)
        sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'photochanger'"
        [connections] = await product.query(f"{sql} AND datname = '{product.database}'")
    return found, told, connections["count"]


def report_slots(waits: dict[str, Waits], told: list[Said]) -> None:
    print(f"{FEW} photos at a time hang; what their senders were told: {_answers(told)}.\n")
    print("| the other slot | photos | median alone | median beside | ratio | p95 alone | p95 beside |")
    print("|---|---|---|---|---|---|---|")
    for slot_id, found in waits.items():
        medians = f"{statistics.median(found.alone):.3f} s | {statistics.median(found.beside):.3f} s"
        p95 = f"{percentile(found.alone, 0.95):.3f} s | {percentile(found.beside, 0.95):.3f} s"
        counts = f"{len(found.alone)} + {len(found.beside)}"
        print(f"| {OTHERS[slot_id]} | {counts} | {medians} | **{found.ratio:.2f}** | {p95} |")


def report_endpoints(found: list[Endpoint], told: list[Said], connections: int) -> None:
    print(f"\n{len(told)} photos hang; what their senders were told: {_answers(told)}.")
    print(
        f"Each endpoint was asked {len(found[0].beside)} times; pool of {POOL_SIZE}, {connections} connections open.\n"
    )
    print("| endpoint | p50 idle | p95 idle | p50 beside | p95 beside | max beside |")
    print("|---|---|---|---|---|---|")
    for each in found:
        times = (*_both(each.idle), *_both(each.beside), max(each.beside))
        print(f"| `{each.name}` | " + " | ".join(f"{value:.0f} ms" for value in times) + " |")


def _both(milliseconds: list[float]) -> tuple[float, float]:
    return statistics.median(milliseconds), percentile(milliseconds, 0.95)


def _answers(told: list[Said]) -> str:
    waits: dict[str, list[float]] = defaultdict(list)
    for said in told:
        waits[said.answer].append(said.seconds)
    return ", ".join(
        f"{len(seconds)} × {answer} after {min(seconds):.2f}–{max(seconds):.2f} s" for answer, seconds in waits.items()
    )


async def main(slot_rounds: int, hanging: int, rounds: int) -> bool:
    with tempfile.TemporaryDirectory(prefix="photochanger-benchmark-") as temporary, running_cluster() as cluster:
        folder = Path(temporary)
        print(await circumstances(cluster))
        async with (
            running_vendors(folder) as vendors,
            running_product(cluster, folder / "isolation", **vendors.environ) as product,
        ):
            await prepare(product, vendors, hanging)
            supply = small_photos(1 << 16)
            waits, few_told = await measure_slots(product, vendors, slot_rounds, supply)
            report_slots(waits, few_told)
            found, told, connections = await measure_endpoints(product, vendors, hanging, rounds, supply)
            report_endpoints(found, told, connections)
    timeout = {"504 provider-timeout"}
    return verdict(
        {
            f"another slot's median within {MEDIAN_GOAL}×": all(each.ratio < MEDIAN_GOAL for each in waits.values()),
            f"p95 of every endpoint < {P95_GOAL_MS} ms": all(
                percentile(each.beside, 0.95) < P95_GOAL_MS for each in found
            ),
            "what should hang hung": {said.answer for said in few_told + told} == timeout,
        }
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slot-rounds", type=int, default=8, help="5 photos each, alone and beside (8)")
    parser.add_argument("--hanging", type=int, default=60, help="photos that hang while endpoints are asked (60)")
    parser.add_argument("--rounds", type=int, default=40, help="how often each endpoint is asked (40)")
    given = parser.parse_args()
    sys.exit(0 if asyncio.run(main(given.slot_rounds, given.hanging, given.rounds)) else 1)
