"""`/api/jobs`: what a stranger, the booth and an administrator see of jobs, and how they are listed."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.pictures import claiming
from tests.support.product import SLOT_PASSWORD, Product, running_product
from tests.support.results import code_of, send

BASIC = {
    "job_id", "slot_id", "status", "outcome", "started_at", "finished_at", "duration_ms", "failure", "result",
    "provider", "rerun_of",
}  # fmt: skip


async def refused(product: Product, size: int) -> str:
    """A job of an upload whose bytes are refused: costs no rendering."""
    answer = await product.send(claiming(40_000, size))
    assert code_of(answer) == (422, "image-too-many-pixels")
    return str(answer.headers["x-job-id"])


async def listing(product: Product, **query: Any):
    return await product.client.get("/api/jobs", params=query, headers=product.admin)


async def walk(product: Product, **query: Any) -> list[str]:
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await listing(product, **query, **cursor)).json()
        found += [job["job_id"] for job in page["items"]]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


async def test_a_stranger_with_the_id_sees_the_basic_members_and_no_token(product):
    photo = await send(product)
    answer = await product.client.get(f"/api/jobs/{photo.job_id}")
    job = answer.json()
    assert set(job) == BASIC
    assert (job["status"], job["outcome"], job["failure"]) == ("done", "transformed", None)
    assert set(job["result"]) == {"url", "content_type", "size_bytes", "width", "height", "sha256", "expires_at"}
    assert job["result"]["url"].endswith(photo.path)
    assert photo.token not in answer.text


@pytest.mark.parametrize("who", ["admin", "booth"])
async def test_an_administrator_and_the_booth_see_cost_attempts_and_the_guests_link(product, who):
    photo = await send(product)
    headers = product.admin if who == "admin" else {"X-Slot-Password": SLOT_PASSWORD.encode()}
    job = (await product.client.get(f"/api/jobs/{photo.job_id}", headers=headers)).json()
    assert set(job) == BASIC | {"hidden", "approved", "expires_at", "cost_micros", "attempts"}
    assert job["cost_micros"] == 0
    assert job["result"]["url"].endswith(photo.own_path)
    [attempt] = job["attempts"]
    assert (attempt["step"], attempt["provider"], attempt["outcome"], attempt["error"]) == (
        0,
        "darkroom",
        "delivered",
        None,
    )


async def test_a_wrong_slot_password_shows_nothing(product):
    photo = await send(product)
    answer = await product.client.get(f"/api/jobs/{photo.job_id}", headers={"X-Slot-Password": "wrong"})
    assert code_of(answer) == (401, "slot-credentials-invalid")


async def test_an_account_that_is_no_administrator_sees_what_a_stranger_sees(product):
    photo = await send(product)
    for authorization in ("Bearer nonsense", "Basic x"):
        answer = await product.client.get(f"/api/jobs/{photo.job_id}", headers={"Authorization": authorization})
        assert (answer.status_code, set(answer.json())) == (200, BASIC)


async def test_a_job_past_its_time_is_there_for_administrators_alone(product):
    photo = await send(product)
    product.clock.advance(seconds=1)
    failed = await refused(product, 40_000)
    product.clock.advance(hours=72, seconds=-1)
    assert (await product.client.get(f"/api/jobs/{failed}")).json()["failure"]["code"] == "image-too-many-pixels"
    product.clock.advance(seconds=1)
    await product.sign_in()
    for job_id in (photo.job_id, failed):
        for headers in ({}, {"X-Slot-Password": SLOT_PASSWORD.encode()}):
            assert code_of(await product.client.get(f"/api/jobs/{job_id}", headers=headers)) == (404, "job-not-found")
    assert (await product.job(photo.job_id))["result"] is None
    assert [job["job_id"] for job in await product.jobs()] == [failed, photo.job_id]


async def test_paging_shows_every_job_once_and_newest_first(product):
    sent = []
    for size in range(7):
        product.clock.advance(seconds=size % 2)  # some at the same instant
        sent.append(await refused(product, 40_000 + size))
    everything = await walk(product)
    assert sorted(everything) == sorted(sent)
    started = {job["job_id"]: job["started_at"] for job in await product.jobs()}
    assert [started[job_id] for job_id in everything] == sorted(started.values(), reverse=True)
    for limit in (1, 2, 3, 7):
        assert await walk(product, limit=limit) == everything


async def test_a_job_that_comes_meanwhile_moves_no_page(product):
    for size in range(4):
        await refused(product, 40_000 + size)
    everything = await walk(product)
    first = (await listing(product, limit=2)).json()
    product.clock.advance(seconds=1)
    await refused(product, 50_000)
    rest = (await listing(product, limit=9, cursor=first["next_cursor"])).json()
    assert [job["job_id"] for job in first["items"] + rest["items"]] == everything


async def test_filters_choose_by_slot_status_and_time(product):
    await product.change_slot("slot-002", password="another one")
    done = await send(product)
    other = await send(product, slot="slot-002", password="another one")
    product.clock.advance(seconds=10)
    late = await refused(product, 40_000)
    before, now = product.clock.now() - timedelta(seconds=10), product.clock.now()
    assert await walk(product, slot_id="slot-002") == [other.job_id]
    assert await walk(product, slot_id="slot-015") == []
    assert await walk(product, status="rejected") == [late]
    assert sorted(await walk(product, status="done")) == sorted([done.job_id, other.job_id])
    assert await walk(product, status="processing") == []
    assert await walk(product, since=now.isoformat()) == [late]
    assert sorted(await walk(product, until=now.isoformat())) == sorted([done.job_id, other.job_id])
    assert await walk(product, since=before.isoformat(), until=now.isoformat(), slot_id="slot-001") == [done.job_id]
    assert await walk(product, since="2026-11-21T11:30:00+03:00", status="rejected") == [late]


@pytest.fixture(scope="module")
async def asked(shared_imaging, tmp_path_factory):
    async with running_product(tmp_path_factory.mktemp("jobs") / "data", shared_imaging) as product:
        yield product


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ({"limit": 0}, ["limit"]),
        ({"limit": 201}, ["limit"]),
        ({"limit": "ten"}, ["limit"]),
        ({"limit": "1e1"}, ["limit"]),
        ({"cursor": "nonsense"}, ["cursor"]),
        ({"cursor": ""}, ["cursor"]),
        ({"cursor": "é" * 40}, ["cursor"]),
        ({"cursor": "A" * 64}, ["cursor"]),
        ({"status": "finished"}, ["status"]),
        ({"since": "yesterday", "until": "2026-11-21T08:30:00", "limit": -1, "status": ""},
         ["limit", "since", "status", "until"]),
        ({"since": "2026-09-01T00:00:00Z", "until": "2026-11-01T00:00:00Z"}, ["since"]),
        ({"since": "2026-10-01T00:00:00Z", "until": "2026-10-31T00:00:01Z"}, ["since"]),
        ({"since": "2026-10-22T08:29:59Z"}, ["since"]),
        ({"since": "2026-11-02T00:00:00Z", "until": "2026-11-01T00:00:00Z"}, ["until"]),
        ({"since": "9999-12-31T23:59:59-23:59", "until": "0001-01-01T00:00:00+23:59"}, ["since", "until"]),
    ],
)  # fmt: skip
async def test_wrong_queries_are_refused_with_every_mistake(asked, query, fields):
    answer = await listing(asked, **query)
    assert code_of(answer) == (422, "validation-failed")
    assert sorted(error["field"] for error in answer.json()["errors"]) == fields


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 1},
        {"limit": 200},
        {"since": "2026-10-22T08:30:00Z"},
        {"since": "2026-10-01T00:00:00Z", "until": "2026-10-31T00:00:00Z"},
        {"since": "2026-11-22T08:30:00Z"},
        {"until": "2020-01-01T00:00:00Z"},
        {"since": "9999-12-31T23:59:59Z"},
        {"until": "0001-01-01T00:00:00Z"},
    ],
)
async def test_right_queries_are_answered(asked, query):
    answer = await listing(asked, **query)
    assert (answer.status_code, answer.json()) == (200, {"items": [], "next_cursor": None})


async def test_a_cursor_of_another_list_is_none_of_this_one(asked):
    slots = (await asked.client.get("/api/slots?limit=1", headers=asked.admin)).json()
    assert code_of(await listing(asked, cursor=slots["next_cursor"])) == (422, "validation-failed")
