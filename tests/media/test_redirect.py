"""`DELIVERY=redirect`: visitors of open galleries get photos from the bucket, everybody else through the server."""

from collections.abc import AsyncIterator
from io import BytesIO, StringIO
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from PIL import Image

from tests.support.product import Product, SharedImaging, running_product
from tests.support.results import VARIANTS, send
from tests.support.s3 import own_place

pytestmark = pytest.mark.s3
LIFE_SECONDS = 72 * 3600
FOLDER = {"DELIVERY": "redirect", "MEDIA_STORAGE_PROVIDER": "local"}


@pytest.fixture
async def product(tmp_path: Path, shared_imaging: SharedImaging) -> AsyncIterator[Product]:
    environ = {**own_place().environ, "DELIVERY": "redirect"}
    async with running_product(tmp_path / "data", shared_imaging, environ=environ) as product:
        yield product


async def follow(link: str, method: str = "GET", **headers: str) -> httpx.Response:
    """As a stranger's phone does."""
    async with httpx.AsyncClient(timeout=30) as client:
        return await client.request(method, link, headers=headers)


def seconds_of(answer: httpx.Response) -> tuple[int, int]:
    """What a cache may keep the redirect, and how long its link lives."""
    life = parse_qs(urlsplit(answer.headers["location"]).query)["X-Amz-Expires"]
    return int(answer.headers["cache-control"].rpartition("=")[2]), int(life[0])


async def test_a_photo_of_an_open_gallery_comes_from_the_bucket(product: Product, product_log: StringIO):
    photo = await send(product)
    moved = await product.client.get(photo.path)
    link = moved.headers["location"]
    assert (moved.status_code, moved.content) == (302, b"")
    got = await follow(link)
    assert (got.status_code, got.content) == (200, photo.bytes)
    assert got.headers["content-type"] == "image/jpeg"
    assert "content-disposition" not in got.headers
    part = await follow(link, range="bytes=10-29")
    assert (part.status_code, part.content) == (206, photo.bytes[10:30])
    address, _, query = link.partition("?")
    other = urlsplit((await product.client.get(f"{photo.path}/thumb")).headers["location"])
    for stolen in (address, link[:-1] + ("0" if link[-1] != "0" else "1"), f"{other._replace(query=query).geturl()}"):
        refused = await follow(stolen)
        assert refused.status_code == 403
    log = product_log.getvalue()
    assert "s3.presigned" in log
    assert "X-Amz" not in log
    assert parse_qs(query)["X-Amz-Signature"][0] not in log


async def test_head_leads_to_the_headers_of_what_get_leads_to(product: Product):
    photo = await send(product)
    for path in (photo.path + variant for variant in VARIANTS):
        got = await follow((await product.client.get(path)).headers["location"])
        moved = await product.client.head(path)
        assert moved.status_code == 302
        head = await follow(moved.headers["location"], "HEAD")
        assert (head.status_code, head.content) == (200, b"")
        for name in ("content-type", "content-length", "cache-control"):
            assert head.headers[name] == got.headers[name]


async def test_a_rendition_comes_as_the_browser_wants_it(product: Product):
    path = f"{(await send(product)).path}/thumb"
    for accept, kind in (("image/webp", "WEBP"), ("image/jpeg", "JPEG")):
        moved = await product.client.get(path, headers={"accept": accept})
        assert moved.headers["vary"] == "Accept"
        assert Image.open(BytesIO((await follow(moved.headers["location"])).content)).format == kind


async def test_a_download_is_one_under_a_neutral_name(product: Product):
    photo = await send(product)
    moved = await product.client.get(photo.path, params={"download": "1"})
    got = await follow(moved.headers["location"])
    assert got.content == photo.bytes
    assert got.headers["content-disposition"] == f'attachment; filename="photo-{photo.job_id[-8:]}.jpg"'


async def test_a_closed_gallery_never_gives_a_link(product: Product):
    photo = await send(product)
    for gallery in ({"access": "off"}, {"access": "pin", "pin": "4711"}, {"access": "link"}):
        changed = await product.change_slot(gallery=gallery)
        answer = await product.client.get(photo.own_path)
        assert (answer.status_code, answer.content) == (200, photo.bytes)
        assert answer.headers["cache-control"].startswith("private")
        assert (await product.client.get(photo.path)).status_code in {401, 404}
    shared = await product.client.get(f"{photo.path}?{urlsplit(changed['gallery']['url']).query}")
    assert shared.status_code == 200


async def test_a_photo_that_waits_for_approval_comes_through_the_server_and_a_hidden_one_not_at_all(product: Product):
    await product.change_slot(gallery={"approve_first": True})
    photo = await send(product)
    assert (await product.client.get(photo.own_path)).status_code == 200
    await product.client.post(f"/api/jobs/{photo.job_id}/show", headers=product.admin)
    assert (await product.client.get(photo.own_path)).status_code == 302
    await product.client.post(f"/api/jobs/{photo.job_id}/hide", headers=product.admin)
    assert (await product.client.get(photo.own_path)).status_code == 404


async def test_no_link_and_no_cache_outlives_the_photo(product: Product):
    photo = await send(product)
    passed = 0
    for left in (LIFE_SECONDS, 300, 299, 60, 21, 20):
        product.clock.advance(seconds=LIFE_SECONDS - left - passed)
        passed = LIFE_SECONDS - left
        moved = await product.client.get(photo.path)
        kept, life = seconds_of(moved)
        got = await follow(moved.headers["location"])
        cached = int(got.headers["cache-control"].rpartition("=")[2])
        assert 0 < kept < life
        assert life + cached <= min(left, 300)
    product.clock.advance(seconds=1)
    assert (await product.client.get(photo.path)).status_code == 200, "the last seconds come through the server"
    product.clock.advance(seconds=19)
    assert (await product.client.get(photo.path)).status_code == 410


async def test_the_gallerys_page_may_show_photos_from_the_bucket(product: Product):
    photo = await send(product)
    page = await product.client.get("/public/slots/slot-001", headers={"accept": "text/html"})
    link = urlsplit((await product.client.get(photo.path)).headers["location"])
    images = next(rule for rule in page.headers["content-security-policy"].split("; ") if rule.startswith("img-src"))
    assert f"{link.scheme}://{link.netloc}" in images.split()


async def test_a_folder_has_no_links_to_give(tmp_path: Path, shared_imaging: SharedImaging):
    async with running_product(tmp_path / "data", shared_imaging, environ=FOLDER) as product:
        photo = await send(product)
        assert (await product.client.get(photo.path)).status_code == 200
