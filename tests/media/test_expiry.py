"""The second at which a photo is over, seen from everywhere, and what is left of it then."""

import asyncio
from collections.abc import AsyncIterator
from itertools import product as product_of
from pathlib import Path

import httpx
import pytest

from photochanger.adapters.storage.links import LinkSigner
from photochanger.adapters.storage.local import LocalStore
from photochanger.adapters.storage.store import StorageUnavailable
from tests.support.clock import FakeClock
from tests.support.pictures import jpeg
from tests.support.product import Product, SharedImaging, running_product
from tests.support.results import VARIANTS, CountingStore, code_of, send

LIFE_SECONDS = 72 * 3600


@pytest.fixture
async def counted(tmp_path: Path, shared_imaging: SharedImaging) -> AsyncIterator[tuple[Product, CountingStore]]:
    clock = FakeClock()
    links = LinkSigner(b"k" * 32, lambda: "http://localhost:8000")
    store = CountingStore(LocalStore(tmp_path / "data" / "media", clock=clock, links=links))
    async with running_product(tmp_path / "data", shared_imaging, store=store, clock=clock) as product:
        yield product, store


async def ask(product: Product, method: str, path: str, accept: str = "*/*") -> httpx.Response:
    return await product.client.request(method, path, headers={"Accept": accept})


async def listed(product: Product) -> list[str]:
    document = (await product.client.get("/public/slots/slot-001")).json()
    return [item["job_id"] for item in document["items"]]


async def test_a_photo_is_there_until_its_second_and_gone_in_it(product: Product):
    product.clock.advance(seconds=0.4)  # lives from the whole second on
    photo = await send(product)
    paths = [photo.path + variant for variant in VARIANTS]
    asked = list(product_of(("GET", "HEAD"), paths, ("image/webp", "image/jpeg")))
    product.clock.advance(seconds=LIFE_SECONDS - 0.4 - 1)
    assert {(await ask(product, *each)).status_code for each in asked} == {200}
    assert await listed(product) == [photo.job_id]
    product.clock.advance(seconds=1)
    assert await listed(product) == []
    page = await ask(product, "GET", "/public/slots/slot-001", "text/html")
    assert photo.job_id not in page.text
    answers = [await ask(product, *each) for each in asked]
    assert {answer.status_code for answer in answers} == {410}
    assert {answer.json()["code"] for answer in answers if answer.content} == {"result-expired"}
    assert (await ask(product, "GET", photo.own_path)).status_code == 410
    await product.parts.retention.settled()
    assert await product.stored_files() == []


async def test_the_end_that_was_announced_is_the_end(product: Product):
    answer = await product.send(jpeg(64, 48))
    assert answer.headers["x-result-expires-at"] == "2026-11-24T08:30:00Z"
    job = (await product.client.get(f"/api/jobs/{answer.headers['x-job-id']}")).json()
    assert job["result"]["expires_at"] == "2026-11-24T08:30:00Z"


async def test_the_gallery_that_meets_an_expired_photo_has_it_deleted(product: Product):
    await send(product)
    product.clock.advance(seconds=LIFE_SECONDS)
    await listed(product)
    await product.parts.retention.settled()
    assert await product.stored_files() == []


async def test_many_reads_of_an_expired_photo_delete_each_object_once(counted):
    product, store = counted
    photo = await send(product)
    objects = await product.stored_files()
    product.clock.advance(seconds=LIFE_SECONDS)
    answers = await asyncio.gather(*(ask(product, "GET", photo.path) for _ in range(300)))
    assert {code_of(answer) for answer in answers} == {(410, "result-expired")}
    await product.parts.retention.settled()
    await ask(product, "GET", photo.path)
    await product.parts.retention.settled()
    assert sorted(store.deleted) == objects


async def test_one_sweep_deletes_what_is_over_and_a_second_one_finds_nothing(counted):
    product, store = counted
    await send(product, 1)
    first = await product.stored_files()
    first_bytes = await product.stored_bytes()
    product.clock.advance(hours=1)
    await send(product, 2)
    retention = product.parts.retention
    assert (await retention.count_due()).count == 0
    product.clock.advance(seconds=LIFE_SECONDS - 3600)
    due = await retention.count_due()
    assert (due.count, due.freed_bytes) == (len(first), first_bytes)
    done = await retention.evict_expired()
    assert (done.count, done.freed_bytes, done.failed) == (len(first), first_bytes, 0)
    assert sorted(store.deleted) == first
    assert len(await product.stored_files()) == len(first)
    assert (await retention.evict_expired()).count == 0
    assert sorted(store.deleted) == first


async def test_two_sweeps_at_once_leave_nothing_and_break_nothing(counted):
    product, _ = counted
    for seed in range(3):
        await send(product, seed)
    product.clock.advance(seconds=LIFE_SECONDS)
    retention = product.parts.retention
    await asyncio.gather(*(retention.evict_expired() for _ in range(4)))
    assert await product.stored_files() == []
    assert (await retention.count_due()).count == 0


async def test_what_the_store_will_not_delete_now_goes_with_a_later_sweep(counted, monkeypatch):
    product, store = counted
    photo = await send(product)
    product.clock.advance(seconds=LIFE_SECONDS)

    async def refuse(key: str) -> None:
        raise StorageUnavailable("read-only")

    with monkeypatch.context() as broken:
        broken.setattr(store, "delete", refuse)
        done = await product.parts.retention.evict_expired()
        assert (done.count, done.failed) == (0, 6)
        assert code_of(await ask(product, "GET", photo.path)) == (410, "result-expired")
        await product.parts.retention.settled()
    assert (await product.parts.retention.evict_expired()).count == 6
    assert await product.stored_files() == []


async def test_a_source_with_a_life_of_its_own_goes_at_its_own_time(product: Product):
    await product.change_slot(source_ttl_hours=1)
    photo = await send(product)
    product.clock.advance(hours=1)
    assert (await product.parts.retention.evict_expired()).count == 1
    assert not [name for name in await product.stored_files() if name.startswith("source/")]
    assert (await ask(product, "GET", photo.path)).status_code == 200


async def test_a_source_of_no_life_is_gone_when_its_job_has_ended(product: Product):
    await product.change_slot(source_ttl_hours=0)
    photo = await send(product)
    await product.parts.retention.settled()
    assert not [name for name in await product.stored_files() if name.startswith("source/")]
    assert (await ask(product, "GET", photo.path)).status_code == 200


async def test_a_cache_never_keeps_a_photo_past_its_end(product: Product):
    photo = await send(product)
    found = []
    for seconds in (0, LIFE_SECONDS - 299, 298.5):
        product.clock.advance(seconds=seconds)
        found.append((await ask(product, "GET", photo.path)).headers["cache-control"])
    assert found == ["public, max-age=300", "public, max-age=299", "public, max-age=0"]


async def test_a_browser_gets_a_page_where_there_is_no_photo(product: Product):
    hidden, removed, expired = [await send(product, seed) for seed in range(3)]
    await product.client.post(f"/api/jobs/{hidden.job_id}/hide", headers=product.admin)
    await product.client.delete(f"/api/jobs/{removed.job_id}/result", headers=product.admin)
    product.clock.advance(seconds=LIFE_SECONDS)
    paths = ((hidden.path, 404), (removed.path, 410), (expired.path, 410), ("/public/results/unknown", 404))
    for path, status in paths:
        answer = await ask(product, "GET", path, "text/html,*/*;q=0.8")
        assert answer.status_code == status
        assert answer.headers["content-type"].startswith("text/html")
        assert "<h1>" in answer.text
        assert answer.headers["x-robots-tag"] == "noindex"
        assert answer.headers["cache-control"] == "no-store"
