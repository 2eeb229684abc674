"""Addresses, ids, queries, keys and ranges that are odd or hostile."""

import asyncio
import json

import pytest

from tests.support.door import INGEST, OTHER_SLOT, SLOT, Case, request, upload
from tests.support.multipart import file
from tests.support.pictures import jpeg

UNKNOWN = "01939e2b-0000-7000-8000-000000000001"
NOT_FOUND = (404, "not-found")
NO_RESULT = (404, "result-not-found")
NO_JOB = (404, "job-not-found")
NO_GALLERY = (404, "gallery-not-found")
PATHS = {
    "P001": ("/api/jobs/not-a-uuid", *NO_JOB),
    "P001-spelling": (f"/api/jobs/{UNKNOWN.upper()}", *NO_JOB),
    "P002": (f"/api/jobs/{UNKNOWN}", *NO_JOB),
    "P005": (f"/public/results/{UNKNOWN}?x", *NO_RESULT),
    "P007-dots": ("/public/results/../../etc/passwd", *NOT_FOUND),
    "P007-encoded": ("/public/results/%2e%2e%2f%2e%2e%2fetc%2fpasswd", *NOT_FOUND),
    "P007-backslash": ("/public/results/..%5c..%5cetc", *NO_RESULT),
    "P007-twice": ("/public/results/%252e%252e", *NO_RESULT),
    "P009": ("/public/slots/slot-999", *NO_GALLERY),
    "P010-nul": ("/public/slots/slot-001%00", *NO_GALLERY),
    "P010-semicolon": ("/public/slots/slot-001;x=1", *NO_GALLERY),
    "P010-slashes": ("//public//slots", *NOT_FOUND),
    "P013": (INGEST, 405, "method-not-allowed"),
    "A032": ("/admin/slots/login", *NOT_FOUND),
}
SLOT_IDS = {
    "P011-sql": "slot-001'%20OR%201=1--",
    "P011-emoji": "%F0%9F%93%B7",
    "P011-long": "s" * 5000,
    "P011-bytes": "%ff%fe",
}
QUERIES = {
    "Q002": ("limit=1&limit=2", 422),
    "Q003-garbage": ("cursor=garbage", 422),
    "Q006": ("since=0001-01-01T00:00:00Z&until=9999-12-31T00:00:00Z", 422),
    "Q007": ("sort=created_at;drop%20table", 200),
    "Q008-wildcards": ("q=%25%25%25%25", 200),
    "Q008-long": ("q=" + "'" * 7000, 200),
    "Q012": ("debug=1", 200),
}


@pytest.fixture(scope="session")
async def result(opened_door):
    """The address and the bytes of a photo."""
    sent = await opened_door.send(upload(file(jpeg(200, 150, seed=910))))
    assert sent.status == 200
    return f"/public/results/{sent.headers['x-job-id']}", sent.body


@pytest.mark.parametrize("name", PATHS)
async def test_an_odd_address_is_unknown(door, name):
    path, status, code = PATHS[name]
    answer = await door.check(Case(request("GET", path), status, code))
    assert status != 405 or set(answer.headers["allow"].split(", ")) == {"POST", "OPTIONS"}


@pytest.mark.parametrize("name", SLOT_IDS)
async def test_an_odd_slot_takes_no_photo(door, name):
    raw = upload(file(jpeg(48, 32, seed=911)), path=f"/api/ingest/{SLOT_IDS[name]}")
    await door.check_upload(Case(raw, 404, "slot-not-found"))


async def test_p010_a_slash_behind_an_address_is_the_same_page(door):
    assert (await door.ask("GET", "/public/slots/slot-001/")).status == 200


async def test_p015_a_job_is_not_found_through_a_slot(door, result):
    job = result[0].rpartition("/")[2]
    for headers in ((), door.admin):
        assert (await door.ask("GET", f"/api/slots/{OTHER_SLOT}/jobs/{job}", *headers)).status == 404


@pytest.mark.parametrize("name", QUERIES)
@pytest.mark.parametrize("listing", ["jobs", "audit"])
async def test_an_odd_query_is_refused_or_without_effect(door, listing, name):
    query, status = QUERIES[name]
    answer = await door.ask("GET", f"/api/{listing}?{query}", *door.admin)
    assert answer.status == status, answer.body
    plain = await door.ask("GET", f"/api/{listing}", *door.admin)
    assert status == 422 or json.loads(answer.body) == json.loads(plain.body)


async def test_q003_a_changed_or_a_strange_cursor_is_none(door):
    page = json.loads((await door.ask("GET", "/api/slots?limit=1", *door.admin)).body)
    cursor = page["next_cursor"]
    assert (await door.ask("GET", f"/api/slots?cursor={cursor}", *door.admin)).status == 200
    flipped = ("B" if cursor[0] == "A" else "A") + cursor[1:]
    for path in (f"slots?cursor={flipped}", f"jobs?cursor={cursor}"):
        await door.check(Case(request("GET", f"/api/{path}", *door.admin), 422, "validation-failed"))


async def test_q004_a_page_far_away_is_refused_or_empty_at_once(door):
    answer = await door.ask("GET", f"/public/slots/{SLOT}?page=999999999")
    assert answer.status == 422 or json.loads(answer.body)["items"] == []


@pytest.mark.parametrize(
    ("header", "status", "content_range", "length"),
    [
        ("Range: bytes=0-99", 206, "bytes 0-99/{}", 100),
        ("Range: bytes=999999999-", 416, "bytes */{}", None),
        ("Range: bytes=" + ",".join(["0-1"] * 7000), 200, None, "all"),
        ("Range: bytes=" + ",".join(["0-"] * 1000), 200, None, "all"),
        ("If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT", 304, None, 0),
        ("If-Modified-Since: garbage", 200, None, "all"),
    ],
    ids=["R001", "R002", "R004", "R005", "R008-far", "R008-garbage"],
)
async def test_a_part_is_a_part_and_a_senseless_one_the_whole(door, result, header, status, content_range, length):
    path, photo = result
    raw = request("GET", path, header)
    answer = await door.send(raw)
    assert answer.status == status
    assert answer.headers.get("content-range") == (content_range and content_range.format(len(photo)))
    if length is not None:
        assert answer.body == (photo if length == "all" else photo[:length])


async def test_r006_a_photo_that_is_known_is_not_sent(door, result):
    etag = (await door.ask("GET", result[0])).headers["etag"]
    assert (await door.ask("GET", result[0], f"If-None-Match: {etag}")).status == 304


@pytest.mark.parametrize("path", ["result", f"/public/slots/{SLOT}", f"/public/results/{UNKNOWN}"])
async def test_r010_head_answers_the_headers_of_get(door, result, path):
    path = result[0] if path == "result" else path
    got, headed = await door.ask("GET", path), await door.ask("HEAD", path)
    changing = {"date", "x-request-id"}
    assert headed.status == got.status
    assert {k: v for k, v in headed.headers.items() if k not in changing} == {
        k: v for k, v in got.headers.items() if k not in changing
    }


async def test_k002_k003_k006_a_key_is_one_photo_of_one_slot_with_and_without_quotes(door):
    photo = file(jpeg(48, 32, seed=912))
    first, again, quoted, other = [
        await door.send(upload(photo, headers=(f"Idempotency-Key: {key}",), path=f"/api/ingest/{slot}"))
        for key, slot in (("abc", SLOT), ("abc", SLOT), ('"abc"', SLOT), ("abc", OTHER_SLOT))
    ]
    assert {answer.status for answer in (first, again, quoted, other)} == {200}
    assert [a.headers["x-outcome"] for a in (first, again, quoted)] == ["transformed", "duplicate", "duplicate"]
    assert first.headers["x-job-id"] == again.headers["x-job-id"] == quoted.headers["x-job-id"]
    assert other.headers["x-outcome"] == "transformed"


async def test_k007_a_refused_photo_takes_no_key(door):
    key = ("Idempotency-Key: k007",)
    photo = jpeg(48, 32, seed=913)
    for raw, status in (
        (upload(file(photo), headers=key, password="wrong"), 401),
        (upload(file(b"no photo at all, but a text" * 9), headers=key), 415),
        (upload(file(photo[:200]), headers=key), 422),
        (upload(file(photo), headers=key), 200),
    ):
        answer = await door.send(raw)
        assert answer.status == status
    assert answer.headers["x-outcome"] == "transformed"


@pytest.mark.parametrize("header", ["Idempotency-Key: k010", "X: y"], ids=["K010", "K011"])
async def test_the_same_photo_many_times_at_once_is_one_job(door, header):
    raw = upload(file(jpeg(48, 32, seed=914 + len(header))), headers=(header,))
    answers = await asyncio.gather(*[door.send(raw) for _ in range(12)])
    assert {answer.status for answer in answers} == {200}
    assert len({answer.headers["x-job-id"] for answer in answers}) == 1
    assert sorted(answer.headers["x-outcome"] for answer in answers) == ["duplicate"] * 11 + ["transformed"]
    job = answers[0].headers["x-job-id"].replace("-", "").upper()
    assert door.server.query(f"SELECT count(*) FROM attempts WHERE hex(job_id) = '{job}'") == [(1,)]
