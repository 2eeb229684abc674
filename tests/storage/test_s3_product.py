"""The whole product on a bucket: from the booth to the last second of a photo."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from photochanger.adapters.storage.s3 import S3Store
from photochanger.adapters.storage.store import OpenUpload
from photochanger.core.limits import MIB
from tests.support.clock import FakeClock
from tests.support.multipart import encode, file, text
from tests.support.pictures import jpeg
from tests.support.product import SLOT_PASSWORD, Product, SharedImaging, running_product
from tests.support.results import send
from tests.support.s3 import S3Address, leftovers, own_place
from tests.support.sender import photos
from tests.support.server import until

pytestmark = pytest.mark.s3
LIFE_SECONDS = 72 * 3600


@pytest.fixture
def place() -> S3Address:
    return own_place()


@pytest.fixture
async def product(place: S3Address, tmp_path: Path, shared_imaging: SharedImaging) -> AsyncIterator[Product]:
    async with running_product(tmp_path / "data", shared_imaging, environ=place.environ) as product:
        yield product


async def test_a_photo_comes_back_shows_in_the_gallery_and_is_gone_on_time(product: Product, place: S3Address):
    photo = await send(product)
    assert len(await leftovers(place)) >= 3
    document = (await product.client.get("/public/slots/slot-001")).json()
    assert [item["job_id"] for item in document["items"]] == [photo.job_id]
    whole = await product.client.get(photo.path)
    assert whole.status_code == 200
    part = await product.client.get(photo.path, headers={"Range": "bytes=10-29"})
    assert (part.status_code, part.content) == (206, whole.content[10:30])
    product.clock.advance(seconds=LIFE_SECONDS)
    assert (await product.client.get(photo.path)).status_code == 410
    await product.parts.retention.settled()
    assert (await product.parts.retention.evict_expired()).failed == 0
    assert await leftovers(place) == []


async def test_nothing_of_a_refused_photo_stays(product: Product, place: S3Address):
    photo = jpeg(64, 48)
    assert (await product.send(photo, password="wrong")).status_code == 401
    assert (await product.send(photo[:200])).status_code == 422
    product.clock.advance(seconds=LIFE_SECONDS)
    await product.parts.retention.evict_expired()
    assert await leftovers(place) == []


async def test_reconciling_ends_open_uploads_and_deletes_objects_without_a_row(product: Product, place: S3Address):
    store = product.parts.store
    await store.put("source/slot-001/2020/a-b.jpg", _one(b"photo"), content_type="image/jpeg")
    client = product.parts.store.client  # type: ignore[attr-defined]
    name = f"{place.prefix}source/slot-001/2020/c-d.jpg"
    await client.call("create_multipart_upload", Key=name)
    assert [type(found) async for found in store.open_uploads()] == [OpenUpload]
    product.clock.advance(hours=48)
    done = await product.parts.reconciler.reconcile(whole_store=True)
    assert (done.uploads_aborted, done.objects_deleted, done.objects_missing) == (1, 1, 0)
    assert await leftovers(place) == []


async def test_who_holds_the_memory_and_does_not_send_gives_way(
    place: S3Address, tmp_path: Path, shared_imaging: SharedImaging, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("photochanger.web.body._SILENCE_SECONDS", 1000)
    content_type, body = encode([text("password", SLOT_PASSWORD), file(next(photos(padding=9 * MIB)))])
    headers = {"Content-Type": content_type, "Content-Length": str(len(body))}

    async def stall() -> AsyncIterator[bytes]:
        yield body[: 5 * MIB]
        await asyncio.Event().wait()

    environ = {**place.environ, "S3_UPLOAD_MEMORY_MB": "8"}
    async with running_product(tmp_path / "data", shared_imaging, environ=environ) as product:
        store = product.parts.store
        assert isinstance(store, S3Store)
        request = product.client.post("/api/ingest/slot-001", content=stall(), headers=headers)
        stalled = asyncio.create_task(request)
        await until(lambda: store.buffers.left_bytes == 0)
        healthy = asyncio.create_task(product.send(jpeg(64, 48)))
        await until(lambda: len(store.buffers._waiting) == 1)
        async with asyncio.timeout(60):
            while not healthy.done():
                product.clock.advance(seconds=2)
                await asyncio.wait({healthy}, timeout=0.3)
        assert (await healthy).status_code == 200
        assert ((await stalled).status_code, (await stalled).json()["code"]) == (408, "upload-too-slow")
        assert [upload async for upload in store.open_uploads()] == []


async def test_health_tells_of_the_bucket_and_the_examination_of_the_clock(product: Product):
    answer = await product.client.get("/health/s3")
    assert (answer.status_code, answer.json()["checks"]["s3"]["ok"]) == (200, True)
    assert [sentence async for sentence in product.parts.prepare_store()][1:]
    steps = {step.name: step async for step in product.parts.examination().run()}
    assert [name for name, step in steps.items() if not step.ok] == ["clock"]
    assert "NTP" in steps["clock"].advice


async def test_a_folder_is_neither_well_nor_ill_as_a_bucket(tmp_path: Path, shared_imaging: SharedImaging):
    async with running_product(tmp_path / "data", shared_imaging, clock=FakeClock()) as product:
        answer = await product.client.get("/health/s3")
        assert (answer.status_code, answer.json()["checks"]["s3"]["ok"]) == (200, None)
        assert [sentence async for sentence in product.parts.prepare_store()] == ["A folder needs no preparation."]
        assert all([step.ok async for step in product.parts.examination().run()])


async def _one(data: bytes) -> AsyncIterator[bytes]:
    yield data
