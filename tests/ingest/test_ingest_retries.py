"""A vendor that fails in passing: the window does what can be done in it."""

from datetime import timedelta

import pytest

from photochanger.adapters.coordination import breaker
from photochanger.adapters.providers.driver import NoImage, RateLimited, TransformRequest, Unavailable, Unreachable
from tests.support import pictures
from tests.support.clock import FakeClock, RunningClock
from tests.support.drivers import Behaviour, FakeDriver, step
from tests.support.product import Product

DARKROOM = step("darkroom", "black_and_white")


@pytest.fixture(scope="module")
def clock() -> FakeClock:
    return RunningClock()


@pytest.mark.parametrize(
    "script",
    [
        [NoImage("only words")],
        [NoImage("only words")] * 2,
        [Unavailable("503")],
        [RateLimited("slowly")],
        [RateLimited("slowly", retry_after=0.2), NoImage("only words")],
    ],
)
async def test_a_photo_is_tried_again_and_delivered(
    studio: Product, driver: FakeDriver, script: list[Behaviour]
) -> None:
    driver.script = list(script)
    answer = await studio.send(pictures.jpeg(96, 64))
    assert (answer.status_code, answer.headers["x-outcome"]) == (200, "transformed")
    attempts = (await studio.job(answer.headers["x-job-id"]))["attempts"]
    assert [attempt["step"] for attempt in attempts] == [0] * (len(script) + 1)
    assert attempts[-1]["outcome"] == "delivered"
    assert "delivered" not in [attempt["outcome"] for attempt in attempts[:-1]]


async def test_a_call_without_an_image_costs_what_its_model_costs_also_where_the_step_names_none(
    studio: Product, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "model", "fake-1")
    price = {"provider": "fake", "model": "fake-1", "unit": "call", "micros": 70, "valid_from": "2026-01-01T00:00:00Z"}
    assert (await studio.client.put("/api/prices", json=price, headers=studio.admin)).status_code == 200
    driver.script = [NoImage("only words")]
    answer = await studio.send(pictures.jpeg(96, 64))
    attempts = (await studio.job(answer.headers["x-job-id"]))["attempts"]
    assert [(each["model"], each["cost_micros"]) for each in attempts] == [("fake-1", 70), ("fake-1", 1000)]


async def test_a_clock_that_is_set_back_makes_no_call_shorter(studio: Product, driver: FakeDriver) -> None:
    async def set_back(request: TransformRequest) -> bytes:
        studio.clock._now -= timedelta(hours=1)
        return request.photo.data

    driver.script = [set_back]
    answer = await studio.send(pictures.jpeg(96, 64))
    studio.clock.advance(hours=1)
    (attempt,) = (await studio.job(answer.headers["x-job-id"]))["attempts"]
    assert attempt["duration_ms"] >= 0


async def test_three_answers_without_an_image_are_enough_where_a_step_follows(
    studio: Product, driver: FakeDriver
) -> None:
    await studio.change_slot(chain=[step(), DARKROOM])
    driver.script = [NoImage("only words")] * 9
    answer = await studio.send(pictures.jpeg(96, 64))
    assert answer.status_code == 200
    assert len(driver.calls) == 3
    attempts = (await studio.job(answer.headers["x-job-id"]))["attempts"]
    assert [attempt["provider"] for attempt in attempts] == ["fake", "fake", "fake", "darkroom"]


async def test_an_address_that_leads_nowhere_is_not_asked_again_while_a_step_follows(
    studio: Product, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "OPEN_SECONDS", 3600.0)
    await studio.change_slot(chain=[step(), DARKROOM])
    driver.script = [Unreachable("no such name")]
    outcomes = []
    for seed in range(3):
        answer = await studio.send(pictures.jpeg(96, 64, seed=seed))
        assert answer.status_code == 200
        attempts = (await studio.job(answer.headers["x-job-id"]))["attempts"]
        outcomes.append([attempt["outcome"] for attempt in attempts])
    assert outcomes == [["unavailable", "delivered"], ["skipped", "delivered"], ["skipped", "delivered"]]
    assert len(driver.calls) == 1
    monkeypatch.setattr(breaker, "OPEN_SECONDS", 0.0)
    answer = await studio.send(pictures.jpeg(96, 64, seed=4))
    assert (await studio.job(answer.headers["x-job-id"]))["provider"] == "fake"


async def test_a_step_alone_is_tried_however_often_it_was_down(studio: Product, driver: FakeDriver) -> None:
    driver.script = [Unreachable("refused")]
    assert (await studio.send(pictures.jpeg(96, 64))).status_code == 502
    assert (await studio.send(pictures.jpeg(96, 64))).status_code == 200
