"""`/public/results`: what a browser, a cache and a download manager get."""

from collections.abc import AsyncIterator
from email.utils import format_datetime
from io import BytesIO

import httpx
import pytest
from PIL import Image

from tests.support.pictures import jpeg
from tests.support.product import Product, SharedImaging, running_product
from tests.support.results import VARIANTS, Sent, code_of, send


@pytest.fixture(scope="module")
async def product(tmp_path_factory: pytest.TempPathFactory, shared_imaging: SharedImaging) -> AsyncIterator[Product]:
    """One for all: nothing here changes it."""
    async with running_product(tmp_path_factory.mktemp("results") / "data", shared_imaging) as product:
        yield product


@pytest.fixture(scope="module")
async def photo(product: Product) -> Sent:
    return await send(product)


async def get(product: Product, path: str, **headers: str) -> httpx.Response:
    return await product.client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})


async def test_a_result_is_what_its_sender_got_with_validators(product, photo):
    answer = await get(product, photo.path)
    assert (answer.status_code, answer.content) == (200, photo.bytes)
    headers = answer.headers
    assert headers["content-type"] == "image/jpeg"
    assert int(headers["content-length"]) == len(photo.bytes)
    assert headers["accept-ranges"] == "bytes"
    assert headers["etag"].startswith('"')
    assert headers["last-modified"] == format_datetime(product.clock.now(), usegmt=True)
    assert headers["x-robots-tag"] == "noindex"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in headers["content-security-policy"]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("extra", [{}, {"range": "bytes=0-9"}, {"if-none-match": "*"}])
async def test_head_answers_the_headers_of_get_without_a_body(product, photo, variant, extra):
    asked = {name: value for name, value in extra.items() if name != "range"}
    got = await product.client.get(photo.path + variant, headers=asked)
    head = await product.client.head(photo.path + variant, headers=extra)  # a range means nothing to HEAD
    assert head.content == b""
    assert head.status_code == got.status_code
    for each in (got, head):
        del each.headers["x-request-id"]
    assert head.headers == got.headers


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("0-0", 0, 1),
        ("5-99", 5, 100),
        ("10-", 10, None),
        ("-7", -7, None),
        ("0-999999999", 0, None),
        ("-99999999", 0, None),
    ],
)
async def test_a_range_is_answered_with_its_bytes(product, photo, asked, start, end):
    answer = await get(product, photo.path, range=f"bytes={asked}")
    expected = photo.bytes[start:end]
    first = start % len(photo.bytes) if start else 0
    assert (answer.status_code, answer.content) == (206, expected)
    assert answer.headers["content-range"] == f"bytes {first}-{first + len(expected) - 1}/{len(photo.bytes)}"
    assert int(answer.headers["content-length"]) == len(expected)


@pytest.mark.parametrize("asked", ["{size}-", "{size}-{size}", "99999999-", "-0"])
async def test_a_range_beyond_the_end_is_refused_with_the_size(product, photo, asked):
    size = len(photo.bytes)
    answer = await get(product, photo.path, range="bytes=" + asked.format(size=size))
    assert code_of(answer) == (416, "range-not-satisfiable")
    assert answer.headers["content-range"] == f"bytes */{size}"


@pytest.mark.parametrize(
    "asked",
    ["bytes=0-1,4-5", "bytes=9-3", "bytes=", "bytes=-", "bytes", "items=0-1", "bytes=a-b", "bytes=0-1-2", "bytes=+1-2"],
)
async def test_several_ranges_and_senseless_ones_get_the_whole(product, photo, asked):
    answer = await get(product, photo.path, range=asked)
    assert (answer.status_code, answer.content) == (200, photo.bytes)
    assert "content-range" not in answer.headers


async def test_if_range_gives_the_part_only_of_the_same_photo(product, photo):
    etag = (await get(product, photo.path)).headers["etag"]
    assert (await get(product, photo.path, range="bytes=0-3", if_range=etag)).status_code == 206
    for other in ('"other"', f"W/{etag}", "garbage"):
        answer = await get(product, photo.path, range="bytes=0-3", if_range=other)
        assert (answer.status_code, answer.content) == (200, photo.bytes)
    assert (await get(product, photo.path, range="bytes=99999999-", if_range='"other"')).status_code == 200


@pytest.mark.parametrize("form", ["{}", "W/{}", '"x", {}', "*"])
@pytest.mark.parametrize("variant", VARIANTS)
async def test_a_cache_that_has_the_photo_gets_304(product, photo, form, variant):
    etag = (await get(product, photo.path + variant)).headers["etag"]
    answer = await get(product, photo.path + variant, if_none_match=form.format(etag), range="bytes=0-1")
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == etag
    assert "max-age" in answer.headers["cache-control"]


async def test_a_cache_that_has_another_photo_gets_this_one(product, photo):
    now = format_datetime(product.clock.now(), usegmt=True)
    assert (await get(product, photo.path, if_none_match='"x"', if_modified_since=now)).status_code == 200


@pytest.mark.parametrize(
    ("since", "status"),
    [
        ("Sat, 21 Nov 2026 08:30:00 GMT", 304),
        ("Sat, 21 Nov 2026 08:29:59 GMT", 200),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 304),
        ("Sat, 21 Nov 2026 08:30:00", 200),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 200),
        ("yesterday", 200),
        ("", 200),
        ("Sat, 21 Nov 99999999999 08:30:00 GMT", 200),
        ("Sat, 21 Nov 2026 99999999999999999999:30:00 GMT", 200),
        ("Sat, 21 Nov 2026 08:30:00 +99999999", 200),
    ],
)
async def test_if_modified_since_counts_where_it_is_a_time(product, photo, since, status):
    assert (await get(product, photo.path, if_modified_since=since)).status_code == status


@pytest.mark.parametrize("variant", VARIANTS)
async def test_a_download_has_a_neutral_name(product, photo, variant):
    answer = await get(product, f"{photo.path}{variant}?download=1")
    name = answer.headers["content-disposition"]
    assert name == f'attachment; filename="photo-{photo.job_id[-8:]}.jpg"'
    assert "content-disposition" not in (await get(product, photo.path + variant)).headers


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("image/avif,image/webp,*/*", "WEBP"),
        ("IMAGE/WEBP", "WEBP"),
        ("image/webp;q=0.5", "WEBP"),
        ("image/webp;q=0, image/jpeg", "JPEG"),
        ("image/webpx", "JPEG"),
        ("image/jpeg", "JPEG"),
        ("*/*", "JPEG"),
        ("", "JPEG"),
    ],
)
@pytest.mark.parametrize("variant", VARIANTS[1:])
async def test_a_rendition_is_webp_for_who_takes_it_and_jpeg_for_others(product, photo, variant, accept, kind):
    answer = await get(product, photo.path + variant, accept=accept)
    assert answer.headers["content-type"] == f"image/{kind.lower()}"
    assert "Accept" in answer.headers["vary"]
    assert Image.open(BytesIO(answer.content)).format == kind


async def test_renditions_are_400_and_1600_pixels_of_the_same_shape(product):
    sent = await product.send(jpeg(2000, 1000))
    path = f"/public/results/{sent.headers['x-job-id']}"
    for variant, size in (("/thumb", (400, 200)), ("/screen", (1600, 800)), ("", (2000, 1000))):
        for accept in ("image/webp", "image/jpeg"):
            answer = await get(product, path + variant, accept=accept)
            assert Image.open(BytesIO(answer.content)).size == size, variant


async def test_the_forms_of_a_photo_have_validators_of_their_own(product, photo):
    tags = {
        (await get(product, photo.path + variant, accept=accept)).headers["etag"]
        for variant in VARIANTS[1:]
        for accept in ("image/webp", "image/jpeg")
    }
    assert len(tags | {(await get(product, photo.path)).headers["etag"]}) >= 3


async def test_another_spelling_of_an_id_is_unknown(product, photo):
    canonical = photo.job_id
    others = [
        canonical.upper(),
        f"{{{canonical}}}",
        canonical.replace("-", ""),
        f"urn:uuid:{canonical}",
        f"%20{canonical}",
        f"{canonical}%0A",
        canonical[:-1],
        f"{canonical}0",
        "x",
        "0",
        "01939e2b-0000-7000-8000-000000000001",
    ]
    for spelling in others:
        for variant in VARIANTS:
            answer = await get(product, f"/public/results/{spelling}{variant}")
            assert code_of(answer) == (404, "result-not-found"), spelling
        assert code_of(await get(product, f"/api/jobs/{spelling}")) == (404, "job-not-found"), spelling


@pytest.mark.parametrize("size", ["full", "THUMB", "thumb.webp", "full.jpg", "..", "source"])
async def test_other_sizes_do_not_exist(product, photo, size):
    assert (await get(product, f"{photo.path}/{size}")).status_code == 404
