"""The venue's internet goes away in the middle of an event: every photo is answered by the local step in 4 seconds."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from typing import NamedTuple

import httpx
import pytest

from tests.support import pictures
from tests.support.clock import RunningClock
from tests.support.drivers import step
from tests.support.product import Product, running_product
from tests.support.server import until
from tests.support.tcp import Proxy
from tests.support.vendors import Vendors

PROMISED_SECONDS = 4.0
BUSY_SECONDS = 4.0
"""What a busy machine may add. A line whose end nobody notices takes the step's whole share: 38 seconds."""
PROBE_SECONDS = 15
CHAIN = [step("gemini", prompt="x"), step("openai", prompt="x"), step("darkroom", "sepia")]
CUTS = {
    "reset, then refused": (Proxy.refuse, Proxy.cut),
    "silent, then refused": (Proxy.refuse, Proxy.pull),
}


class Venue(NamedTuple):
    product: Product
    vendors: Vendors
    line: Proxy

    async def send(self, seed: int) -> tuple[httpx.Response, float]:
        """(answer, when it came)"""
        answer = await self.product.send(pictures.jpeg(60, 40, seed=seed))
        assert (answer.status_code, answer.headers["x-outcome"]) == (200, "transformed"), answer.text
        return answer, time.monotonic()

    async def attempts(self, answer: httpx.Response) -> list[tuple[str, str]]:
        job = await self.product.job(answer.headers["x-job-id"])
        return [(attempt["provider"], attempt["outcome"]) for attempt in job["attempts"]]

    async def is_called(self, times: int) -> bool:
        return len((await self.vendors.log())["calls"]) == times


@pytest.fixture
async def venue(tmp_path, shared_imaging, vendors: Vendors) -> AsyncIterator[Venue]:
    line = Proxy(vendors.port)
    await line.start()
    environ = {name: value.replace(str(vendors.port), str(line.port)) for name, value in vendors.environ.items()}
    clock = RunningClock()
    try:
        async with running_product(tmp_path / "data", shared_imaging, environ=environ, clock=clock) as product:
            await product.change_slot(chain=CHAIN, max_concurrency=10)
            yield Venue(product, vendors, line)
    finally:
        await line.stop()


@pytest.mark.parametrize("cut", list(CUTS))
async def test_the_local_step_answers_until_the_line_is_back(venue: Venue, cut: str):
    async def is_local_in_time(sending: Awaitable[tuple[httpx.Response, float]], since: float) -> list[tuple[str, str]]:
        answer, came = await sending
        assert came - since < PROMISED_SECONDS + BUSY_SECONDS
        *others, last = await venue.attempts(answer)
        assert last == ("darkroom", "delivered")
        return others

    await venue.vendors.play("gemini", {"delay_ms": 300}, {"delay_ms": 300}, "hang")
    for answer, _ in await asyncio.gather(venue.send(0), venue.send(1)):  # their connections are kept
        assert await venue.attempts(answer) == [("gemini", "delivered")]
    in_the_air = asyncio.create_task(venue.send(2))
    await until(lambda: venue.is_called(3), seconds=60)

    began = time.monotonic()
    for each in CUTS[cut]:
        each(venue.line)
    at_once = [asyncio.create_task(venue.send(seed)) for seed in (3, 4, 5)]
    assert ("gemini", "unavailable") in await is_local_in_time(in_the_air, began)
    for sending in at_once:
        await is_local_in_time(sending, began)
    assert await is_local_in_time(venue.send(6), time.monotonic()) == [("gemini", "skipped"), ("openai", "skipped")]

    await venue.line.start()
    assert ("gemini", "skipped") in await venue.attempts((await venue.send(7))[0])
    venue.product.clock.advance(seconds=PROBE_SECONDS)
    assert await venue.attempts((await venue.send(8))[0]) == [("gemini", "delivered")]
    assert await venue.attempts((await venue.send(9))[0]) == [("gemini", "delivered")]
