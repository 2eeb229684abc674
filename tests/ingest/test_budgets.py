"""What a slot may spend in a day and a month, and what its senders get once it did."""

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from photochanger.adapters.providers.darkroom import Darkroom
from photochanger.features.settings.schemas import Settings
from photochanger.features.settings.service import date_of, day_of
from tests.support import pictures
from tests.support.clock import FakeClock
from tests.support.drivers import FakeDriver, step
from tests.support.product import Product, SharedImaging, running_product
from tests.support.receiver import Receiver, receiving
from tests.support.results import code_of

GREY = step("darkroom", "black_and_white")
ORIGINAL = step("darkroom", "original")


async def send(product: Product, seed: int, **options: Any) -> httpx.Response:
    return await product.send(pictures.jpeg(96, 64, seed=seed), **options)


async def spend(product: Product, **budget: Any) -> None:
    """Each photo costs 1000; the first one is already sent."""
    await product.change_slot(budget=budget)
    assert (await send(product, 1)).status_code == 200


@pytest.mark.parametrize("member", ["daily_micros", "monthly_micros"])
async def test_a_budget_that_is_used_up_stops_the_slot(studio: Product, driver: FakeDriver, member: str) -> None:
    await studio.change_slot(chain=[step(), GREY])
    await spend(studio, **{member: 1500})
    assert (await send(studio, 2)).status_code == 200
    answer = await send(studio, 3)
    assert code_of(answer) == (502, "provider-failed")
    assert "budget" in answer.json()["detail"]
    job = await studio.job(answer.headers["x-job-id"])
    assert (job["attempts"], job["cost_micros"]) == ([], 0)
    assert "no step ran" in job["note"]
    assert len(driver.calls) == 2


async def test_the_policy_still_hands_back_the_original(studio: Product, driver: FakeDriver) -> None:
    await studio.change_slot(failure_policy="original")
    await spend(studio, daily_micros=1000)
    answer = await send(studio, 2)
    assert (answer.status_code, answer.headers["x-outcome"], len(driver.calls)) == (200, "original", 1)
    assert "no step ran" in (await studio.job(answer.headers["x-job-id"]))["note"]


@pytest.mark.parametrize(
    ("chain", "steps"),
    [([step()], [(1, "darkroom")]), ([step(), step(prompt="again"), ORIGINAL], [(2, "darkroom")])],
)
async def test_darkroom_runs_the_local_steps_or_makes_it_black_and_white(
    studio: Product, driver: FakeDriver, chain: list[Any], steps: list[tuple[int, str]]
) -> None:
    await studio.change_slot(chain=chain)
    await spend(studio, daily_micros=1000, action="darkroom")
    answer = await send(studio, 2)
    assert (answer.status_code, answer.headers["x-outcome"], len(driver.calls)) == (200, "transformed", 1)
    job = await studio.job(answer.headers["x-job-id"])
    assert [(each["step"], each["provider"]) for each in job["attempts"]] == steps
    assert "only local steps ran" in job["note"]


async def test_alert_goes_on(studio: Product, driver: FakeDriver) -> None:
    await spend(studio, daily_micros=1000, action="alert")
    answer = await send(studio, 2)
    assert (answer.status_code, len(driver.calls)) == (200, 2)
    assert "note" not in await studio.job(answer.headers["x-job-id"])


async def test_a_budget_of_nothing_spends_nothing(studio: Product, driver: FakeDriver) -> None:
    await studio.change_slot(budget={"daily_micros": 0})
    assert code_of(await send(studio, 1)) == (502, "provider-failed")
    assert driver.calls == []


async def test_test_runs_and_reruns_cost_like_any_photo_and_another_slots_do_not(
    studio: Product, driver: FakeDriver
) -> None:
    await spend(studio, daily_micros=4000)
    files = {"photo": pictures.jpeg(96, 64, seed=2)}
    tested = await studio.client.post("/api/slots/slot-001/test-run", files=files, headers=studio.admin)
    assert tested.status_code == 200
    [job] = await studio.jobs()
    assert (await studio.client.post(f"/api/jobs/{job['job_id']}/rerun", headers=studio.admin)).status_code == 200
    await studio.parts.runner.drain()
    await studio.change_slot("slot-002", chain=[step()], password="other")
    assert (await send(studio, 3, slot="slot-002", password="other")).status_code == 200
    assert await studio.parts.budgets.is_spent("slot-001") is False
    assert (await send(studio, 4)).status_code == 200
    assert await studio.parts.budgets.is_spent("slot-001") is True
    tested = await studio.client.post("/api/slots/slot-001/test-run", files=files, headers=studio.admin)
    assert (*code_of(tested), len(driver.calls)) == (502, "provider-failed", 5)


async def test_a_new_day_begins_when_the_settings_say(studio: Product) -> None:
    await studio.change_settings(time_zone="Europe/Berlin", day_starts_at="10:00")  # it is 9:30 there
    await spend(studio, daily_micros=1000)
    studio.clock.advance(minutes=29)
    assert (await send(studio, 2)).status_code == 502
    studio.clock.advance(minutes=1)
    assert (await send(studio, 3)).status_code == 200
    assert (await send(studio, 4)).status_code == 502


@pytest.mark.parametrize(
    ("now", "day", "month"),
    [
        ("2026-11-21T03:59:59+00:00", "2026-11-20T04:00:00+00:00", "2026-11-01T04:00:00+00:00"),
        ("2026-11-21T04:00:00+00:00", "2026-11-21T04:00:00+00:00", "2026-11-01T04:00:00+00:00"),
        ("2026-11-21T23:30:00+00:00", "2026-11-21T04:00:00+00:00", "2026-11-01T04:00:00+00:00"),
        ("2026-11-01T03:00:00+00:00", "2026-10-31T04:00:00+00:00", "2026-10-01T03:00:00+00:00"),
        ("2026-10-25T03:59:00+00:00", "2026-10-24T03:00:00+00:00", "2026-10-01T03:00:00+00:00"),
    ],
)
def test_a_party_past_midnight_is_one_day(now: str, day: str, month: str) -> None:
    settings = Settings(time_zone="Europe/Helsinki")
    today = date_of(settings, datetime.fromisoformat(now))
    assert day_of(settings, today)[0].isoformat() == day
    assert day_of(settings, today.replace(day=1))[0].isoformat() == month


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def watched(tmp_path: Path, shared_imaging: SharedImaging, receiver: Receiver) -> AsyncIterator[Product]:
    environ = {"ALERT_WEBHOOK_URL": receiver.url, "PROVIDER_ALLOWED_HOSTS": "localhost"}
    providers = (Darkroom(shared_imaging), FakeDriver())
    async with running_product(
        tmp_path / "data", shared_imaging, environ=environ, providers=providers, clock=FakeClock()
    ) as product:
        await product.change_slot(chain=[step()])
        yield product


async def end_of_the_day(product: Product) -> None:
    product.clock.advance(hours=24)
    await product.sign_in()


async def raised(product: Product) -> None:
    await product.change_slot(budget={"daily_micros": 1_000_000})


async def taken_away(product: Product) -> None:
    await product.change_slot(budget={"daily_micros": None})


@pytest.mark.parametrize("action", ["stop", "darkroom", "alert"])
@pytest.mark.parametrize("ends", [end_of_the_day, raised, taken_away])
async def test_it_is_told_once_and_once_that_it_is_over(
    watched: Product, receiver: Receiver, action: str, ends: Any
) -> None:
    await spend(watched, daily_micros=1000, action=action)
    for seed in (2, 3):
        await send(watched, seed)
        await watched.parts.alerts.watch()
        await watched.parts.alerts.deliver()
    [post] = receiver.posts
    assert (post["state"], post["kind"], post["subject"], post["action"]) == ("raised", "budget", "slot-001", action)
    assert (post["period"], post["spent_micros"], post["budget_micros"]) == ("day", 1000, 1000)
    await ends(watched)
    await watched.parts.alerts.watch()
    await watched.parts.alerts.deliver()
    assert [(each["state"], each["id"]) for each in receiver.posts] == [("raised", post["id"]), ("over", post["id"])]


async def test_a_drafts_budget_is_no_alert(watched: Product, receiver: Receiver) -> None:
    data, files = {"slot": '{"budget": {"daily_micros": 0}}'}, {"photo": pictures.jpeg(96, 64)}
    tested = await watched.client.post("/api/slots/slot-001/test-run", data=data, files=files, headers=watched.admin)
    assert code_of(tested) == (502, "provider-failed")
    await watched.parts.alerts.deliver()
    assert receiver.posts == []
