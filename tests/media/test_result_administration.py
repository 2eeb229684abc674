"""What an administrator does to results: hide, show, approve, delete, move their end, clean a slot."""

from datetime import timedelta

import pytest

from tests.support.audit import entries
from tests.support.pictures import jpeg
from tests.support.product import Product
from tests.support.results import VARIANTS, Sent, code_of, send


@pytest.fixture
async def photo(product: Product) -> Sent:
    return await send(product)


async def listed(product: Product) -> list[str]:
    document = (await product.client.get("/public/slots/slot-001")).json()
    return [item["job_id"] for item in document["items"]]


async def act(product: Product, action: str, photo: Sent):
    return await product.client.post(f"/api/jobs/{photo.job_id}/{action}", headers=product.admin)


async def remove(product: Product, photo: Sent):
    return await product.client.delete(f"/api/jobs/{photo.job_id}/result", headers=product.admin)


async def move(product: Product, photo: Sent, expires_at: object):
    body = {"expires_at": expires_at}
    return await product.client.put(f"/api/jobs/{photo.job_id}/expiry", json=body, headers=product.admin)


async def clean(product: Product, query: str = "", slot: str = "slot-001"):
    return await product.client.post(f"/api/slots/{slot}/cleanup{query}", headers=product.admin)


async def statuses(product: Product, photo: Sent) -> set[int]:
    paths = [photo.own_path, *(photo.path + variant for variant in VARIANTS)]
    return {(await product.client.get(path)).status_code for path in paths}


async def actions(product: Product, subject: str) -> list[tuple[str, str]]:
    return [(entry.action, entry.actor) for entry in await entries(product.parts.database, subject=subject)]


async def test_a_hidden_photo_is_gone_for_all_and_comes_back(product, photo):
    for _ in range(2):  # the second time changes nothing
        answer = await act(product, "hide", photo)
        assert (answer.status_code, answer.json()["hidden"]) == (200, True)
    assert await statuses(product, photo) == {404}
    assert await listed(product) == []
    answer = await act(product, "show", photo)
    assert (answer.status_code, answer.json()["hidden"]) == (200, False)
    assert await statuses(product, photo) == {200}
    assert await listed(product) == [photo.job_id]
    told = await actions(product, photo.job_id)
    assert told.count(("job.hidden", "boss")) == 2
    assert ("job.shown", "boss") in told


async def test_a_hidden_photo_still_answers_its_sender(product, photo):
    await act(product, "hide", photo)
    again = await product.send(jpeg(64, 48, seed=1))
    assert (again.status_code, again.headers["x-outcome"], again.content) == (200, "duplicate", photo.bytes)


async def test_a_photo_that_waits_for_approval_is_seen_through_its_own_link_alone(product):
    await product.change_slot(gallery={"approve_first": True})
    photo = await send(product)
    assert await listed(product) == []
    assert (await product.client.get(photo.own_path)).status_code == 200
    assert (await product.job(photo.job_id))["approved"] is False
    assert (await act(product, "show", photo)).json()["approved"] is True
    assert await listed(product) == [photo.job_id]


async def test_a_deleted_result_takes_renditions_and_source_along(product, photo):
    other = await send(product, 2)
    before = await product.stored_files()
    answer = await remove(product, photo)
    assert (answer.status_code, answer.content) == (204, b"")
    assert await statuses(product, photo) == {410}
    assert code_of(await product.client.get(photo.path)) == (410, "result-removed")
    assert await listed(product) == [other.job_id]
    assert len(await product.stored_files()) == len(before) - 6
    assert ("result.removed", "boss") in await actions(product, photo.job_id)
    job = (await product.client.get(f"/api/jobs/{photo.job_id}")).json()
    assert (job["status"], job["result"]) == ("done", None)
    assert code_of(await remove(product, photo)) == (404, "result-not-found")


async def test_a_photo_sent_again_after_its_deletion_is_made_anew(product, photo):
    await remove(product, photo)
    again = await send(product)
    assert again.job_id != photo.job_id


async def test_an_end_may_come_sooner(product, photo):
    answer = await move(product, photo, "2026-11-21T08:31:00Z")
    assert answer.status_code == 200
    assert answer.json()["result"]["expires_at"] == "2026-11-21T08:31:00Z"
    product.clock.advance(seconds=59)
    assert await statuses(product, photo) == {200}
    product.clock.advance(seconds=1)
    assert await statuses(product, photo) == {410}
    await product.parts.retention.evict_expired()
    assert await product.stored_files() == []
    assert ("job.expiry_changed", "boss") in await actions(product, photo.job_id)


async def test_an_end_may_be_now(product, photo):
    product.clock.advance(seconds=0.7)
    answer = await move(product, photo, product.clock.now().isoformat())
    assert answer.status_code == 200
    assert await statuses(product, photo) == {410}


async def test_an_end_may_come_later_up_to_30_days(product, photo):
    end = product.clock.now() + timedelta(days=30)
    assert (await move(product, photo, end.isoformat())).status_code == 200
    product.clock.advance(days=30, seconds=-1)
    assert (await product.parts.retention.evict_expired()).count == 0
    assert await statuses(product, photo) == {200}
    product.clock.advance(seconds=1)
    assert await statuses(product, photo) == {410}


async def test_an_end_may_be_written_in_any_time_zone_and_is_kept_in_utc(product, photo):
    answer = await move(product, photo, "2026-11-21T13:00:00.9+03:00")
    assert answer.json()["expires_at"] == "2026-11-21T10:00:00Z"
    assert (await product.job(photo.job_id))["expires_at"] == "2026-11-21T10:00:00Z"


async def test_wrong_ends_are_refused(product, photo):
    wrong = [
        "2026-11-21T08:29:58Z",
        "2026-12-21T08:30:01Z",
        "2026-11-22T08:30:00",
        "tomorrow",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        1_800_000_000,
        None,
        {},
    ]
    for end in wrong:
        answer = await move(product, photo, end)
        assert code_of(answer) == (422, "validation-failed"), end
        assert [error["field"] for error in answer.json()["errors"]] == ["expires_at"]
    empty = await product.client.put(f"/api/jobs/{photo.job_id}/expiry", json={}, headers=product.admin)
    assert code_of(empty) == (422, "validation-failed")
    assert (await product.job(photo.job_id))["expires_at"] == "2026-11-24T08:30:00Z"


async def test_what_is_over_stays_over(product, photo):
    removed = await send(product, 2)
    await remove(product, removed)
    assert code_of(await move(product, removed, "2026-11-22T08:30:00Z")) == (410, "result-expired")
    product.clock.advance(hours=72)
    await product.sign_in()
    assert code_of(await move(product, photo, "2026-11-25T08:30:00Z")) == (410, "result-expired")


async def test_a_cleanup_takes_what_is_over_of_that_slot_alone(product, photo):
    await product.change_slot("slot-002", password="another one")
    product.clock.advance(hours=1)
    living = await send(product, 2)
    product.clock.advance(hours=71)
    await product.sign_in()
    size = await product.stored_bytes()
    assert (await clean(product, slot="slot-002")).json() == {"evicted": 0, "freed_bytes": 0}
    done = (await clean(product)).json()
    assert done["evicted"] == 6
    left = await product.stored_bytes()
    assert done["freed_bytes"] == size - left > 0
    assert await statuses(product, living) == {200}
    assert (await clean(product)).json() == {"evicted": 0, "freed_bytes": 0}
    assert ("slot.cleaned", "boss") in await actions(product, "slot-001")


async def test_a_cleanup_of_everything_leaves_nothing_of_the_slot(product, photo):
    await product.change_slot("slot-002", password="another one")
    other = await send(product, 2, slot="slot-002", password="another one")
    assert (await clean(product, "?everything=true")).json()["evicted"] == 6
    assert await statuses(product, photo) == {410}
    assert await listed(product) == []
    assert await statuses(product, other) == {200}
    assert {name.split("/")[1] for name in await product.stored_files()} == {"slot-002"}
    again = await send(product)
    assert again.job_id != photo.job_id


async def test_a_cleanup_of_no_slot_or_with_a_wrong_word_is_refused(product):
    assert code_of(await clean(product, slot="slot-099")) == (404, "slot-not-found")
    assert code_of(await clean(product, "?everything=maybe")) == (422, "validation-failed")


async def test_a_job_nobody_knows_cannot_be_changed(product):
    unknown = Sent("01939e2b-0000-7000-8000-000000000001", "", b"")
    for answer in (
        await act(product, "hide", unknown),
        await act(product, "show", unknown),
        await remove(product, unknown),
        await move(product, unknown, "2026-11-22T08:30:00Z"),
    ):
        assert code_of(answer) == (404, "job-not-found")
