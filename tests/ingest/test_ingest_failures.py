"""What a sender is told when providers fail, and what the slot's failure policy makes of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from photochanger.adapters.providers.darkroom import Darkroom
from photochanger.adapters.providers.driver import (
    BadAnswer,
    BadConfiguration,
    NoImage,
    ProviderError,
    ProviderImage,
    RateLimited,
    Rejected,
    TimedOut,
    TransformRequest,
    Unavailable,
)
from photochanger.core.ids import parse_id
from tests.support import pictures
from tests.support.drivers import Behaviour, FakeDriver, step
from tests.support.imaging import difference, has_metadata, is_upright, opened
from tests.support.product import Product, SharedImaging, running_product

pytestmark = pytest.mark.usefixtures("no_second_try")
PHOTO = pictures.jpeg(96, 64)
FROM_A_CAMERA = pictures.jpeg(160, 120, orientation=6, gps=True, xmp=True)
DARKROOM = step("darkroom", "black_and_white")

FAILURES = [
    (Rejected("no"), 422, "provider-rejected"),
    (RateLimited("slowly", retry_after=17), 429, "provider-busy"),
    (Unavailable("down"), 502, "provider-failed"),
    (NoImage("only words"), 502, "provider-failed"),
    (TimedOut("its own time"), 502, "provider-failed"),
    (BadConfiguration("no key"), 502, "provider-failed"),
    (BadAnswer("rubbish"), 502, "provider-failed"),
    (b"no image at all", 502, "provider-failed"),
    (pictures.cut(pictures.jpeg(200, 100)), 502, "provider-failed"),
    (pictures.claiming(60_000, 60_000), 502, "provider-failed"),
]


@pytest.mark.parametrize(("behaviour", "status", "code"), FAILURES)
async def test_a_failing_provider_is_named_for_its_failure(
    studio: Product, driver: FakeDriver, behaviour: Behaviour, status: int, code: str
) -> None:
    driver.script = [behaviour]
    answer = await studio.send(PHOTO)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    job = await studio.job(answer.headers["x-job-id"])
    assert (job["status"], job["failure"]["code"], job["outcome"], job["result"]) == ("failed", code, None, None)
    (attempt,) = job["attempts"]
    assert attempt["outcome"] == (behaviour.outcome if isinstance(behaviour, ProviderError) else "bad_answer")
    assert attempt["error"]
    assert {name.partition("/")[0] for name in await studio.stored_files()} <= {"source"}


async def test_a_busy_providers_own_wait_is_passed_on(studio: Product, driver: FakeDriver) -> None:
    driver.script = [RateLimited("slowly", retry_after=17)]
    assert (await studio.send(PHOTO)).headers["retry-after"] == "17"


async def test_what_a_bad_answer_cost_is_kept(studio: Product, driver: FakeDriver) -> None:
    driver.script = [b"no image at all"]
    job = await studio.job((await studio.send(PHOTO)).headers["x-job-id"])
    assert job["cost_micros"] == 1000


@pytest.mark.parametrize(
    "told",
    [
        {"usage": {"note": "a\0b"}},
        {"usage": ["no object"]},
        {"usage": {"note": "x" * 100_000}},
        {"usage": {"input_tokens": 10**30}},
        {"vendor_request_id": "a\0\udcffb"},
    ],
    ids=["NUL", "no object", "long", "number", "id"],
)
async def test_no_photo_is_lost_for_what_its_vendor_says_beside_it(
    studio: Product, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch, told: dict[str, Any]
) -> None:
    async def transform(request: TransformRequest) -> ProviderImage:
        return ProviderImage(data=request.photo.data, media_type="image/jpeg", **told)

    monkeypatch.setattr(driver, "transform", transform)
    price = {"provider": "fake", "unit": "1k_input_tokens", "micros": 1000, "valid_from": "2026-01-01T00:00:00Z"}
    assert (await studio.client.put("/api/prices", json=price, headers=studio.admin)).status_code == 200
    answer = await studio.send(PHOTO)
    assert (answer.status_code, answer.headers.get("x-outcome")) == (200, "transformed")
    (attempt,) = await studio.parts.jobs.list_attempts(parse_id(answer.headers["x-job-id"]))
    assert attempt.usage is None


async def test_what_a_failed_call_cost_is_unknown(studio: Product, driver: FakeDriver) -> None:
    driver.script = [TimedOut("its own time"), Unavailable("down")]
    await studio.change_slot(chain=[step(), step()])
    job = await studio.job((await studio.send(PHOTO)).headers["x-job-id"])
    assert (job["cost_micros"], [call["cost_micros"] for call in job["attempts"]]) == (0, [None, 0])


@pytest.mark.parametrize("behaviour", [behaviour for behaviour, *_ in FAILURES])
async def test_the_next_step_runs_when_one_fails(studio: Product, driver: FakeDriver, behaviour: Behaviour) -> None:
    await studio.change_slot(chain=[step(), DARKROOM])
    driver.script = [behaviour]
    answer = await studio.send(PHOTO, headers={"Accept": "application/json"})
    assert (answer.status_code, answer.headers["x-outcome"]) == (200, "transformed")
    document = answer.json()
    assert document["provider"] == "darkroom"
    assert [(attempt["step"], attempt["provider"]) for attempt in document["attempts"]] == [
        (0, "fake"),
        (1, "darkroom"),
    ]
    assert document["attempts"][1]["outcome"] == "delivered"


@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        ([Rejected("no"), Rejected("no")], 422, "provider-rejected"),
        ([Unavailable("down"), Rejected("no")], 502, "provider-failed"),
        ([Rejected("no"), Unavailable("down")], 502, "provider-failed"),
        ([Rejected("no"), RateLimited("slowly")], 429, "provider-busy"),
        ([RateLimited("slowly"), Unavailable("down")], 502, "provider-failed"),
    ],
)
async def test_it_is_a_refusal_only_when_every_step_refused(
    studio: Product, driver: FakeDriver, script: list[ProviderError], status: int, code: str
) -> None:
    await studio.change_slot(chain=[step(), step()])
    driver.script = list(script)
    answer = await studio.send(PHOTO)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    attempts = (await studio.job(answer.headers["x-job-id"]))["attempts"]
    assert [attempt["outcome"] for attempt in attempts] == [each.outcome for each in script]


async def test_a_paused_provider_is_left_out(studio: Product, driver: FakeDriver) -> None:
    await studio.change_slot(chain=[step(), DARKROOM])
    await studio.change_settings(providers_paused=["fake"])
    answer = await studio.send(PHOTO, headers={"Accept": "application/json"})
    assert answer.json()["provider"] == "darkroom"
    assert driver.calls == []


async def test_a_chain_of_paused_providers_fails(studio: Product, driver: FakeDriver) -> None:
    await studio.change_settings(providers_paused=["fake"])
    answer = await studio.send(PHOTO)
    assert (answer.status_code, answer.json()["code"]) == (502, "provider-failed")
    assert driver.calls == []


async def test_a_slot_that_names_a_provider_which_is_gone_goes_on_to_the_next(
    tmp_path: Path, shared_imaging: SharedImaging
) -> None:
    providers = (Darkroom(shared_imaging), FakeDriver())
    async with running_product(tmp_path / "data", shared_imaging, providers=providers) as product:
        await product.change_slot(chain=[step(), DARKROOM])
    async with running_product(tmp_path / "data", shared_imaging) as product:
        answer = await product.send(PHOTO)
        assert (answer.status_code, answer.headers["x-outcome"]) == (200, "transformed")
        attempts = (await product.job(answer.headers["x-job-id"]))["attempts"]
    assert [attempt["outcome"] for attempt in attempts] == ["bad_configuration", "delivered"]


async def test_a_driver_that_breaks_ends_its_step_and_says_nothing_of_why(studio: Product, driver: FakeDriver) -> None:
    async def broken(_request: object) -> bytes:
        raise KeyError("secret")

    driver.script = [broken]
    answer = await studio.send(PHOTO)
    assert (answer.status_code, answer.json()["code"]) == (502, "provider-failed")
    assert "secret" not in answer.text
    job = await studio.job(answer.headers["x-job-id"])
    assert (job["status"], job["failure"]["code"]) == ("failed", "provider-failed")
    assert job["attempts"][0]["error"] == "the driver crashed"


# failure_policy: original (the two that need a closing window or a full slot are in test_ingest_window.py)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ([Rejected("no")], "provider-rejected"),
        ([RateLimited("slowly")], "provider-busy"),
        ([Unavailable("down")], "provider-failed"),
    ],
)
async def test_the_original_is_handed_back_and_the_failure_is_kept(
    studio: Product, driver: FakeDriver, script: Sequence[Behaviour], code: str
) -> None:
    await studio.change_slot(failure_policy="original")
    driver.script = list(script)
    answer = await studio.send(FROM_A_CAMERA)
    await assert_original(studio, answer, code)


async def assert_original(product: Product, answer: httpx.Response, code: str, status: str = "failed") -> None:
    """Of FROM_A_CAMERA."""
    assert (answer.status_code, answer.headers["x-outcome"]) == (200, "original"), answer.text
    picture = opened(answer.content)
    assert (picture.format, picture.size) == ("JPEG", (160, 120))
    assert is_upright(picture)
    assert not has_metadata(answer.content)
    assert difference(answer.content, pictures.jpeg(160, 120)) < 4
    assert (await product.client.get(answer.headers["x-result-url"])).content == answer.content
    job = await product.job(answer.headers["x-job-id"])
    assert (job["status"], job["outcome"], job["failure"]["code"]) == (status, "original", code)
    assert job["result"]["size_bytes"] == len(answer.content)
    gallery = (await product.client.get("/public/slots/slot-001")).json()
    assert [item["job_id"] for item in gallery["items"]] == [answer.headers["x-job-id"]]


async def test_the_json_of_an_original_tells_its_outcome_and_status(studio: Product, driver: FakeDriver) -> None:
    await studio.change_slot(failure_policy="original", response_dialect="json")
    driver.script = [Unavailable("down")]
    document = (await studio.send(PHOTO)).json()
    assert (document["status"], document["outcome"], document["duplicate"]) == ("failed", "original", False)
    assert document["provider"] is None


async def test_an_original_expires_like_any_result(studio: Product, driver: FakeDriver) -> None:
    await studio.change_slot(failure_policy="original", result_ttl_hours=1)
    driver.script = [Unavailable("down")]
    link = (await studio.send(PHOTO)).headers["x-result-url"]
    studio.clock.advance(hours=1, seconds=-1)
    assert (await studio.client.get(link)).status_code == 200
    studio.clock.advance(seconds=1)
    assert (await studio.client.get(link)).status_code == 410


@pytest.mark.parametrize("photo", [pictures.cut(PHOTO), b"text"], ids=["cut", "text"])
async def test_a_photo_that_cannot_be_read_has_no_original(studio: Product, driver: FakeDriver, photo: bytes) -> None:
    await studio.change_slot(failure_policy="original")
    assert (await studio.send(photo)).status_code in {415, 422}


async def test_an_original_that_cannot_be_made_leaves_the_failure_and_ends_the_job(
    studio: Product, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*args: object, **options: object) -> None:
        raise BadAnswer("the worker crashed")

    await studio.change_slot(failure_policy="original")
    driver.script = [Unavailable("down")]
    monkeypatch.setattr(studio.parts.imaging, "render", crash)
    answer = await studio.send(PHOTO)
    assert (answer.status_code, answer.json()["code"]) == (502, "provider-failed")
    assert (await studio.job(answer.headers["x-job-id"]))["status"] == "failed"
