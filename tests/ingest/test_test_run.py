"""A draft of a slot tried with one photo: nothing is saved, and nobody but the asker sees what came of it."""

import json
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from photochanger.adapters.providers.driver import Unavailable
from photochanger.core.limits import MIB
from photochanger.features.jobs.models import JobClaim
from tests.support import pictures
from tests.support.drivers import FakeDriver, step
from tests.support.multipart import Part, encode, file, text
from tests.support.product import Product
from tests.support.results import code_of

PHOTO = pictures.jpeg(96, 64)


async def run(
    product: Product,
    draft: Any = None,
    *,
    photo: bytes = PHOTO,
    texts: dict[str, str] | None = None,
    accept: str = "application/json",
) -> httpx.Response:
    data = {"slot": json.dumps(draft)} if draft is not None else {}
    return await product.client.post(
        "/api/slots/slot-001/test-run",
        data=data | (texts or {}),
        files={"photo": ("x.jpg", photo, "image/jpeg")},
        headers=product.admin | {"Accept": accept},
    )


async def test_the_draft_runs_and_is_not_saved(studio: Product, driver: FakeDriver) -> None:
    before = (await studio.client.get("/api/slots/slot-001", headers=studio.admin)).json()
    draft = before | {
        "version": 999,
        "chain": [step(prompt="as {hero} {survey1}")],
        "variables": [{"name": "hero", "default": "x"}],
    }
    answer = await run(studio, draft, texts={"hero": "a wizard", "survey1": "Anna"})
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert (document["outcome"], document["cost_micros"]) == ("transformed", 1000)
    assert [each["outcome"] for each in document["attempts"]] == ["delivered"]
    assert driver.calls[0].prompt == "as a wizard Anna"
    assert (await studio.client.get("/api/slots/slot-001", headers=studio.admin)).json() == before
    entries = (await studio.client.get("/api/audit?action=slot.tested", headers=studio.admin)).json()["items"]
    assert [(each["actor"], each["subject"]) for each in entries] == [("boss", "slot-001")]


async def test_without_a_draft_the_slot_runs_as_it_is_also_while_it_is_off(product: Product) -> None:
    await product.change_slot(enabled=False)
    answer = await run(product, accept="*/*")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert answer.headers["x-outcome"] == "transformed"


async def test_the_draft_may_stand_behind_the_photo(studio: Product, driver: FakeDriver) -> None:
    draft = text("slot", json.dumps({"chain": [step(prompt="behind")]}))
    content_type, body = encode([file(PHOTO, "photo"), draft])
    headers = studio.admin | {"Content-Type": content_type}
    answer = await studio.client.post("/api/slots/slot-001/test-run", content=body, headers=headers)
    assert (answer.status_code, driver.calls[0].prompt) == (200, "behind")


async def test_nobody_else_sees_it(product: Product) -> None:
    answer = await run(product, {"gallery": {"access": "open"}}, accept="image/*")
    job_id = answer.headers["x-job-id"]
    assert (await product.client.get("/public/slots/slot-001")).json()["items"] == []
    assert await product.jobs() == []
    numbers = (await product.client.get("/api/stats/system", headers=product.admin)).json()
    assert (numbers["received"], numbers["recent_jobs"]) == (0, [])
    assert code_of(await product.client.get(f"/api/jobs/{job_id}")) == (404, "job-not-found")
    assert (await product.job(job_id))["status"] == "done"
    async with product.parts.database.read() as session:
        assert list(await session.scalars(select(JobClaim.job_id))) == []
    assert (await product.send(PHOTO)).headers["x-outcome"] == "transformed"
    rerun = await product.client.post(f"/api/jobs/{job_id}/rerun", headers=product.admin)
    assert code_of(rerun) == (404, "job-not-found")


async def test_its_result_has_a_link_of_its_own_for_an_hour_and_its_source_is_gone(product: Product) -> None:
    answer = await run(product, accept="image/*")
    link = answer.headers["x-result-url"]
    assert answer.headers["x-result-expires-at"] == "2026-11-21T09:30:00Z"
    await product.parts.retention.settled()
    assert not [name for name in await product.stored_files() if name.startswith("source/")]
    shown = await product.client.get(link)
    assert (shown.content, "private" in shown.headers["cache-control"]) == (answer.content, True)
    plain, _, token = link.partition("?t=")
    for address in (plain, f"{plain}?t={token}x", f"{plain}/thumb"):
        assert code_of(await product.client.get(address)) == (404, "result-not-found")
    product.clock.advance(hours=1)
    assert code_of(await product.client.get(link)) == (410, "result-expired")


async def test_every_mistake_in_the_draft_is_told_and_no_job_is_left(product: Product) -> None:
    draft = {"chain": [step("nobody")], "name": "", "nonsense": 1, "gallery": {"page_size": 0}}
    answer = await run(product, draft)
    assert code_of(answer) == (422, "validation-failed")
    fields = {each["field"] for each in answer.json()["errors"]}
    assert fields == {"chain.0.provider", "name", "nonsense", "gallery.page_size"}
    assert await product.stored_files() == []


@pytest.mark.parametrize("parts", [[text("slot", "{"), file(PHOTO)], [file(PHOTO), text("slot", "{")]])
async def test_a_draft_that_is_no_json(product: Product, parts: list[Part]) -> None:
    content_type, body = encode(parts)
    headers = product.admin | {"Content-Type": content_type}
    answer = await product.client.post("/api/slots/slot-001/test-run", content=body, headers=headers)
    assert code_of(answer) == (400, "malformed-json")
    assert await product.stored_files() == []


async def test_a_draft_may_be_as_large_as_a_slot(product: Product) -> None:
    styles: list[Any] = [{"name": f"s{number}", "chain": [step(prompt="x" * 7500)]} for number in range(8)]
    assert (await run(product, {"styles": styles})).status_code == 200
    assert code_of(await run(product, {"styles": styles * 2})) == (400, "malformed-upload")


@pytest.mark.parametrize(
    ("photo", "status", "code"),
    [
        (b"no picture at all", 415, "unsupported-image"),
        (pictures.cut(PHOTO), 422, "image-unreadable"),
        (pictures.claiming(40_000, 40_000), 422, "image-too-many-pixels"),
        (b"", 400, "malformed-upload"),
        (PHOTO + bytes(MIB), 413, "upload-too-large"),
    ],
)
async def test_bytes_are_refused_as_ingest_refuses_them(product: Product, photo: bytes, status: int, code: str) -> None:
    assert code_of(await run(product, {"upload_limit_mb": 1}, photo=photo)) == (status, code)
    assert await product.jobs() == []


@pytest.mark.usefixtures("no_second_try")
async def test_a_failure_is_told(studio: Product, driver: FakeDriver) -> None:
    driver.script = [Unavailable("down")]
    answer = await run(studio, {"failure_policy": "error"})
    assert code_of(answer) == (502, "provider-failed")
    assert (await studio.job(answer.headers["x-job-id"]))["attempts"][0]["outcome"] == "unavailable"


async def test_only_an_administrator_may_and_only_on_a_slot(product: Product) -> None:
    answer = await product.client.post("/api/slots/slot-001/test-run", files={"photo": PHOTO})
    assert code_of(answer) == (401, "login-required")
    answer = await product.client.post("/api/slots/slot-999/test-run", files={"photo": PHOTO}, headers=product.admin)
    assert code_of(answer) == (404, "slot-not-found")
