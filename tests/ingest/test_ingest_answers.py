"""What a sender gets for a good photo, in each dialect, and what is kept of what came with it."""

import email.parser
import hashlib
import json
import re
from email.message import Message

import httpx
import pytest

from photochanger.adapters.providers.driver import Rejected
from tests.support import pictures
from tests.support.drivers import FakeDriver
from tests.support.imaging import difference, has_metadata, opened
from tests.support.product import Product

PHOTO = pictures.jpeg(96, 64)
FROM_A_CAMERA = pictures.jpeg(96, 64, orientation=6, gps=True, xmp=True, profile="p3")


async def fetch(product: Product, url: str) -> bytes:
    answer = await product.client.get(url)
    assert answer.status_code == 200, answer.text
    return answer.content


def parts_of(answer: httpx.Response) -> list[Message]:
    head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
    message = email.parser.BytesParser().parsebytes(head + answer.content)
    found = message.get_payload()
    assert isinstance(found, list)
    return [part for part in found if isinstance(part, Message)]


async def test_the_answer_is_the_changed_photo(product: Product) -> None:
    answer = await product.send(PHOTO)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-outcome"] == "transformed"
    assert answer.headers["x-result-expires-at"] == "2026-11-24T08:30:00Z"
    picture = opened(answer.content)
    assert (picture.format, picture.size) == ("JPEG", (96, 64))
    assert difference(answer.content, PHOTO) > 5


async def test_the_answer_says_how_long_each_phase_took(product: Product) -> None:
    timing = (await product.send(PHOTO)).headers["server-timing"]
    assert re.fullmatch(r"receive;dur=[\d.]+, wait;dur=[\d.]+, provider;dur=[\d.]+, store;dur=[\d.]+", timing)


async def test_the_results_link_opens_the_same_bytes(product: Product) -> None:
    answer = await product.send(PHOTO)
    link, job_id = answer.headers["x-result-url"], answer.headers["x-job-id"]
    assert re.fullmatch(rf"http://localhost:8000/public/results/{job_id}\?t=[\w-]{{16,}}", link)
    assert await fetch(product, link) == answer.content
    await product.change_slot(gallery={"access": "off"})
    assert await fetch(product, link) == answer.content
    assert (await product.client.get(link.partition("?")[0])).status_code == 404


async def test_a_result_and_its_renditions_carry_nothing_of_the_camera(product: Product) -> None:
    answer = await product.send(FROM_A_CAMERA)
    link = answer.headers["x-result-url"].partition("?")[0]
    webp = (await product.client.get(f"{link}/screen", headers={"Accept": "image/webp"})).content
    public = [answer.content, webp, *[await fetch(product, f"{link}/{size}") for size in ("thumb", "screen")]]
    assert has_metadata(FROM_A_CAMERA)
    assert [has_metadata(data) for data in public] == [False] * 4


@pytest.mark.parametrize(
    ("dialect", "accept", "kind"),
    [
        ("image", None, "image/jpeg"),
        ("json", None, "application/json"),
        ("breeze_multipart", None, "multipart/mixed"),
        ("image", "application/json", "application/json"),
        ("image", "multipart/mixed", "multipart/mixed"),
        ("json", "image/*", "image/jpeg"),
        ("json", "image/png", "image/jpeg"),
        ("json", "text/plain, Image/JPEG;q=0.8", "image/jpeg"),
        ("json", "image/*;q=0", "application/json"),
        ("json", "application/json;q=0.1, image/*", "image/jpeg"),
        ("json", "multipart/mixed", "multipart/mixed"),
        ("breeze_multipart", "application/json", "application/json"),
        ("json", "*/*", "application/json"),
        ("image", "text/html", "image/jpeg"),
    ],
)
async def test_an_explicit_accept_wins_over_the_slots_dialect(
    studio: Product, driver: FakeDriver, dialect: str, accept: str | None, kind: str
) -> None:
    await studio.change_slot(response_dialect=dialect)
    answer = await studio.send(PHOTO, headers={"Accept": accept or ""})
    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] == kind
    for name in ("x-job-id", "x-result-url", "x-result-expires-at", "x-outcome", "server-timing"):
        assert answer.headers[name]
    assert answer.headers["content-length"] == str(len(answer.content))


async def test_the_json_tells_everything_about_the_job(studio: Product) -> None:
    answer = await studio.send(PHOTO, headers={"Accept": "application/json"})
    document = answer.json()
    result = document.pop("result")
    image = await fetch(studio, result["url"])
    assert result == {
        "url": answer.headers["x-result-url"],
        "content_type": "image/jpeg",
        "size_bytes": len(image),
        "width": 96,
        "height": 64,
        "sha256": hashlib.sha256(image).hexdigest(),
        "expires_at": "2026-11-24T08:30:00Z",
    }
    (attempt,) = document.pop("attempts")
    assert attempt == {
        "step": 0,
        "provider": "fake",
        "model": "fake-1",
        "started_at": "2026-11-21T08:30:00Z",
        "duration_ms": 0,
        "outcome": "delivered",
        "error": None,
        "cost_micros": 1000,
        "vendor_request_id": None,
    }
    assert document == {
        "job_id": answer.headers["x-job-id"],
        "slot_id": "slot-001",
        "status": "done",
        "outcome": "transformed",
        "duplicate": False,
        "provider": "fake",
        "duration_ms": 0,
        "cost_micros": 1000,
        "started_at": "2026-11-21T08:30:00Z",
        "gallery_url": "http://localhost:8000/public/slots/slot-001",
        "album_url": None,
    }


async def test_breeze_gets_the_json_and_then_the_image(product: Product) -> None:
    answer = await product.send(PHOTO, headers={"Accept": "multipart/mixed"})
    metadata, image = parts_of(answer)
    assert metadata.get_content_type() == "application/json"
    payload = metadata.get_payload(decode=True)
    assert isinstance(payload, bytes)
    document = json.loads(payload)
    assert document["job_id"] == answer.headers["x-job-id"]
    assert image.get_content_type() == "image/jpeg"
    assert image.get_payload(decode=True) == await fetch(product, document["result"]["url"])


async def test_the_gallerys_link_carries_its_key_where_it_needs_one(product: Product) -> None:
    slot = await product.change_slot(gallery={"access": "link"})
    document = (await product.send(PHOTO, headers={"Accept": "application/json"})).json()
    assert document["gallery_url"] == slot["gallery"]["url"]
    assert "?k=" in document["gallery_url"]


# What came with the photo


async def test_photos_with_one_album_are_shown_in_the_order_they_were_sent(product: Product) -> None:
    jobs = []
    for seed in range(3):
        answer = await product.send(pictures.jpeg(48, 32, seed=seed), fields={"album": "Anna & Ben"})
        jobs.append(answer.headers["x-job-id"])
        product.clock.advance(seconds=1)
    await product.send(pictures.jpeg(48, 32, seed=9), fields={"album": "Others"})
    again = await product.send(
        pictures.jpeg(48, 32, seed=0), fields={"album": "Anna & Ben"}, headers={"Accept": "application/json"}
    )
    assert again.headers["x-outcome"] == "duplicate"
    link = again.json()["album_url"]
    album = (await product.client.get(link)).json()
    assert [item["job_id"] for item in album["items"]] == jobs
    page = await product.client.get(link, headers={"Accept": "text/html"})
    assert "Anna &amp; Ben" in page.text


@pytest.mark.parametrize(("fields", "params"), [({"ref": "guest_42-a"}, None), (None, {"ref": "guest_42-a"})])
async def test_the_senders_ref_is_kept_on_the_job_and_shown_to_the_host_alone(
    product: Product, fields: dict[str, str] | None, params: dict[str, str] | None
) -> None:
    job_id = (await product.send(PHOTO, fields=fields, params=params)).headers["x-job-id"]
    assert (await product.job(job_id))["ref"] == "guest_42-a"
    assert "ref" not in (await product.client.get(f"/api/jobs/{job_id}")).json()


async def test_unknown_parts_hash_and_style_change_nothing(product: Product) -> None:
    fields = {"hash": "not a hash", "style": "no such style", "name": "DESKTOP-1", "other": "x"}
    assert (await product.send(PHOTO, fields=fields)).status_code == 200


async def test_the_source_is_kept_and_has_no_public_address(product: Product) -> None:
    answer = await product.send(PHOTO)
    (source,) = [name for name in await product.stored_files() if name.startswith("source/")]
    assert await product.stored(source) == PHOTO
    link = answer.headers["x-result-url"].partition("?")[0]
    for path in (f"/public/{source}", f"/public/store/{source}", f"{link}/source"):
        assert (await product.client.get(path)).status_code == 404


async def test_a_source_without_a_life_is_gone_when_the_job_ends(product: Product) -> None:
    await product.change_slot(source_ttl_hours=0)
    answer = await product.send(PHOTO)
    assert answer.status_code == 200
    await product.parts.retention.settled()
    assert [name for name in await product.stored_files() if name.startswith("source/")] == []
    assert await fetch(product, answer.headers["x-result-url"]) == answer.content


async def test_a_source_lives_its_own_time(product: Product) -> None:
    await product.change_slot(source_ttl_hours=1)
    await product.send(PHOTO)
    product.clock.advance(hours=1)
    await product.parts.retention.evict_expired()
    assert {name.partition("/")[0] for name in await product.stored_files()} == {"result", "preview"}


async def test_a_failed_jobs_source_lives_as_long_as_its_result_would_have(studio: Product, driver: FakeDriver) -> None:
    driver.script = [Rejected("no")]
    await studio.send(PHOTO)
    studio.clock.advance(hours=72, seconds=-1)
    await studio.parts.retention.evict_expired()
    assert len(await studio.stored_files()) == 1
    studio.clock.advance(seconds=1)
    await studio.parts.retention.evict_expired()
    assert await studio.stored_files() == []


async def test_the_slots_password_is_the_senders_key_to_the_whole_job(product: Product) -> None:
    await product.change_slot(password="plain password 1")
    job_id = (await product.send(PHOTO, password="plain password 1")).headers["x-job-id"]
    headers = {"X-Slot-Password": "plain password 1"}
    job = (await product.client.get(f"/api/jobs/{job_id}", headers=headers)).json()
    assert "?t=" in job["result"]["url"]
    assert [attempt["outcome"] for attempt in job["attempts"]] == ["delivered"]
