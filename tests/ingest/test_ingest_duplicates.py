"""The same photo, one job."""

import asyncio

import pytest

from photochanger.adapters.providers.driver import Rejected, Unavailable
from tests.support import pictures
from tests.support.drivers import FakeDriver, Gate, step
from tests.support.product import Product

PHOTO = pictures.jpeg(48, 32)
OTHER = pictures.jpeg(48, 32, seed=2)


async def send(product: Product, photo: bytes = PHOTO, key: str | None = None) -> tuple[str, str]:
    """(outcome, job id)."""
    answer = await product.send(photo, headers=None if key is None else {"Idempotency-Key": key})
    assert answer.status_code == 200, answer.text
    return answer.headers["x-outcome"], answer.headers["x-job-id"]


async def test_the_same_bytes_get_the_earlier_result(studio: Product, driver: FakeDriver) -> None:
    first = await studio.send(PHOTO)
    stored = await studio.stored_files()
    again = await studio.send(PHOTO)
    assert (again.status_code, again.headers["x-outcome"]) == (200, "duplicate")
    for name in ("x-job-id", "x-result-url", "x-result-expires-at", "content-type"):
        assert again.headers[name] == first.headers[name]
    assert again.content == first.content
    assert len(driver.calls) == 1
    assert await studio.stored_files() == stored
    assert len(await studio.jobs()) == 1


async def test_the_json_of_a_duplicate_says_so(studio: Product) -> None:
    job_id = (await send(studio))[1]
    document = (await studio.send(PHOTO, headers={"Accept": "application/json"})).json()
    assert (document["duplicate"], document["outcome"], document["job_id"]) == (True, "transformed", job_id)
    assert [attempt["outcome"] for attempt in document["attempts"]] == ["delivered"]


async def test_other_bytes_and_another_slot_are_other_photos(studio: Product, driver: FakeDriver) -> None:
    await studio.change_slot("slot-002", chain=[step()], password="other password")
    outcomes = [(await send(studio))[0], (await send(studio, OTHER))[0]]
    other = await studio.send(PHOTO, slot="slot-002", password="other password")
    assert [*outcomes, other.headers["x-outcome"]] == ["transformed"] * 3
    assert len(driver.calls) == 3


async def test_after_the_slot_changed_the_same_bytes_are_a_new_photo(studio: Product, driver: FakeDriver) -> None:
    await send(studio)
    await studio.change_slot(name="Another name")
    assert (await send(studio))[0] == "transformed"
    assert len(driver.calls) == 2


async def test_after_its_expiry_the_same_bytes_are_a_new_photo(studio: Product) -> None:
    first = await send(studio)
    studio.clock.advance(hours=72, seconds=-1)
    assert await send(studio) == ("duplicate", first[1])
    studio.clock.advance(seconds=1)
    assert (await send(studio))[0] == "transformed"


async def test_without_a_duplicate_window_every_photo_is_new(studio: Product, driver: FakeDriver) -> None:
    await studio.change_slot(duplicate_window_seconds=0)
    assert [(await send(studio))[0] for _ in range(2)] == ["transformed"] * 2
    assert (await send(studio, key="k"))[0] == "transformed"
    assert (await send(studio, key="k"))[0] == "duplicate"
    assert len(driver.calls) == 3


async def test_a_duplicate_window_ends_in_its_second(studio: Product) -> None:
    await studio.change_slot(duplicate_window_seconds=60)
    first = await send(studio)
    studio.clock.advance(seconds=59)
    assert await send(studio) == ("duplicate", first[1])
    studio.clock.advance(seconds=1)
    second = await send(studio)
    assert second[0] == "transformed"
    assert await send(studio) == ("duplicate", second[1])


@pytest.mark.usefixtures("no_second_try")
async def test_a_failed_photo_may_come_again(studio: Product, driver: FakeDriver) -> None:
    driver.script = [Unavailable("down")]
    failed = await studio.send(PHOTO)
    assert failed.status_code == 502
    outcome, job_id = await send(studio)
    assert (outcome, job_id != failed.headers["x-job-id"]) == ("transformed", True)


async def test_a_photo_that_fell_back_to_its_original_may_come_again(studio: Product, driver: FakeDriver) -> None:
    await studio.change_slot(failure_policy="original")
    driver.script = [Rejected("no")]
    original = await send(studio)
    assert original[0] == "original"
    assert (await send(studio))[0] == "transformed"


async def test_a_hidden_photo_still_answers_its_sender(studio: Product) -> None:
    first = await studio.send(PHOTO)
    job_id = first.headers["x-job-id"]
    hidden = await studio.client.post(f"/api/jobs/{job_id}/hide", headers=studio.admin)
    assert hidden.status_code == 200
    again = await studio.send(PHOTO)
    assert (again.headers["x-outcome"], again.headers["x-job-id"], again.content) == (
        "duplicate",
        job_id,
        first.content,
    )


async def test_a_removed_photo_is_made_anew(studio: Product) -> None:
    first = await send(studio, key="k")
    await studio.client.delete(f"/api/jobs/{first[1]}/result", headers=studio.admin)
    second = await send(studio, key="k")
    assert second[0] == "transformed"
    assert await send(studio) == ("duplicate", second[1])


# The Idempotency-Key


async def test_a_key_alone_decides(studio: Product, driver: FakeDriver) -> None:
    first = await send(studio, key="k1")
    await studio.change_slot(name="Another name")
    assert await send(studio, key="k1") == ("duplicate", first[1])
    assert (await send(studio, key="k2"))[0] == "transformed"
    assert len(driver.calls) == 2


async def test_a_key_in_quotes_is_the_same_key(studio: Product) -> None:
    first = await send(studio, key="k1")
    assert await send(studio, key='"k1"') == ("duplicate", first[1])


async def test_a_key_with_other_bytes_is_refused(studio: Product, driver: FakeDriver) -> None:
    await send(studio, key="k")
    stored = await studio.stored_files()
    answer = await studio.send(OTHER, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")
    assert await studio.stored_files() == stored
    assert len(driver.calls) == 1
    assert len(await studio.jobs()) == 1


async def test_a_key_belongs_to_its_slot(studio: Product) -> None:
    await studio.change_slot("slot-002", chain=[step()], password="other password")
    await send(studio, key="k")
    answer = await studio.send(OTHER, slot="slot-002", password="other password", headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.headers["x-outcome"]) == (200, "transformed")


async def test_a_key_lives_a_day(studio: Product) -> None:
    first = await send(studio, key="k")
    studio.clock.advance(hours=24, seconds=-1)
    assert await send(studio, key="k") == ("duplicate", first[1])
    studio.clock.advance(seconds=1)
    assert (await send(studio, OTHER, key="k"))[0] == "transformed"


async def test_a_key_opens_a_job_of_its_own_beside_a_living_one_of_the_same_bytes(studio: Product) -> None:
    plain = await send(studio)
    keyed = await send(studio, key="k")
    assert keyed[0] == "transformed"
    assert await send(studio) == ("duplicate", plain[1])
    assert await send(studio, key="k") == ("duplicate", keyed[1])


async def test_a_job_opened_under_a_key_is_found_by_its_bytes(studio: Product) -> None:
    keyed = await send(studio, key="k")
    assert await send(studio) == ("duplicate", keyed[1])


@pytest.mark.usefixtures("no_second_try")
async def test_a_key_whose_job_failed_may_come_again(studio: Product, driver: FakeDriver) -> None:
    driver.script = [Unavailable("down")]
    headers = {"Idempotency-Key": "k"}
    assert (await studio.send(PHOTO, headers=headers)).status_code == 502
    assert (await send(studio, key="k"))[0] == "transformed"


# At once


@pytest.mark.parametrize("key", [None, "k"])
async def test_fifty_identical_requests_at_once_make_one_job(
    studio: Product, driver: FakeDriver, key: str | None
) -> None:
    await studio.change_slot(max_concurrency=1)
    gate = Gate()
    driver.script = [gate]
    sending = [asyncio.create_task(send(studio, key=key)) for _ in range(50)]
    await driver.called.wait()
    assert studio.parts.places.waiting("slot:slot-001") == 0
    gate.open.set()
    answers = await asyncio.gather(*sending)
    assert len({job_id for _, job_id in answers}) == 1
    assert sorted(outcome for outcome, _ in answers) == ["duplicate"] * 49 + ["transformed"]
    assert len(driver.calls) == 1
    assert len(await studio.jobs()) == 1
    assert len([name for name in await studio.stored_files() if name.startswith("source/")]) == 1


async def test_who_joins_gets_the_jobs_failure(studio: Product, driver: FakeDriver) -> None:
    gate = Gate(Rejected("no"))
    driver.script = [gate]
    sending = [asyncio.create_task(studio.send(PHOTO)) for _ in range(3)]
    await driver.called.wait()
    await joined(studio, 2)
    gate.open.set()
    answers = await asyncio.gather(*sending)
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(422, "provider-rejected")] * 3
    assert len({answer.headers["x-job-id"] for answer in answers}) == 1
    assert len({answer.json()["detail"] for answer in answers}) == 1
    assert len(driver.calls) == 1


async def test_who_joins_gets_the_original_that_the_job_fell_back_to(studio: Product, driver: FakeDriver) -> None:
    await studio.change_slot(failure_policy="original")
    gate = Gate(Rejected("no"))
    driver.script = [gate]
    sending = [asyncio.create_task(studio.send(PHOTO)) for _ in range(2)]
    await driver.called.wait()
    await joined(studio, 1)
    gate.open.set()
    answers = await asyncio.gather(*sending)
    assert sorted(answer.headers["x-outcome"] for answer in answers) == ["duplicate", "original"]
    assert len({answer.content for answer in answers}) == 1


async def joined(product: Product, count: int) -> None:
    """Until so many requests wait for a job that another one runs."""
    async with asyncio.timeout(10):
        while sum(map(len, product.parts.notices._listening.values())) < count:  # noqa: ASYNC110 – joining tells nobody
            await asyncio.sleep(0.005)
