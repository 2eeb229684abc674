"""Who and what is let in. What is refused leaves nothing behind."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest

from photochanger.core.limits import MIB
from photochanger.features.audit.schemas import Actor
from photochanger.features.jobs.models import Job
from tests.support import pictures
from tests.support.multipart import Part, encode, file, text
from tests.support.product import SLOT_PASSWORD, Product

PHOTO = pictures.jpeg(48, 32)
PLAIN_PASSWORD = "plain password 1"
WRONG = "wrong password"


async def post(product: Product, *parts: Part, slot: str = "slot-001", **options) -> httpx.Response:
    content_type, body = encode(parts)
    headers = {"content-type": content_type, **options.pop("headers", {})}
    return await product.client.post(f"/api/ingest/{slot}", content=body, headers=headers, **options)


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, object]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    problem: dict[str, object] = answer.json()
    assert problem["code"] == code
    assert problem["status"] == status
    assert problem["instance"] == answer.headers["x-request-id"]
    assert problem["type"]
    assert problem["title"]
    assert problem["detail"]
    return problem


# The sender's clock


@pytest.mark.parametrize(
    ("seconds", "note"),
    [
        (600, ""),
        (-600, ""),
        (631, " The sender's clock is 11 minutes ahead of the server's."),
        (-86_400, " The sender's clock is 1,440 minutes behind the server's."),
    ],
)
async def test_a_sender_whose_clock_differs_by_more_than_ten_minutes_is_noted(
    product: Product, seconds: int, note: str
) -> None:
    sent_at = str(int(product.clock.now().timestamp()) + seconds)
    answer = await product.send(PHOTO, fields={"time": sent_at, "style": "none"})
    job = await product.job(answer.headers["x-job-id"])
    assert job["note"] == "The slot has no style 'none': its own chain was used." + note
    async with product.parts.database.read() as session:
        kept = await session.get(Job, UUID(job["job_id"]))
        assert kept is not None
        assert sent_at not in str(kept.to_dict())


# Passwords


@pytest.mark.parametrize(
    ("header", "query", "part", "status"),
    [
        (PLAIN_PASSWORD, None, None, 200),
        (None, PLAIN_PASSWORD, None, 200),
        (None, None, PLAIN_PASSWORD, 200),
        (PLAIN_PASSWORD, WRONG, WRONG, 200),
        (None, PLAIN_PASSWORD, WRONG, 200),
        (WRONG, PLAIN_PASSWORD, PLAIN_PASSWORD, 401),
        ("", None, PLAIN_PASSWORD, 401),
        (None, WRONG, PLAIN_PASSWORD, 401),
        (None, "", PLAIN_PASSWORD, 401),
        (None, None, WRONG, 401),
        (None, None, "", 401),
        (None, None, PLAIN_PASSWORD + " ", 401),
        (None, None, None, 401),
    ],
)
async def test_the_first_password_of_header_query_and_text_part_counts_alone(
    product: Product, header: str | None, query: str | None, part: str | None, status: int
) -> None:
    await product.change_slot(password=PLAIN_PASSWORD)
    answer = await product.send(
        PHOTO,
        password=part,
        headers=None if header is None else {"X-Slot-Password": header},
        params=None if query is None else {"key": query},
    )
    assert answer.status_code == status
    if status == 401:
        assert_problem(answer, 401, "slot-credentials-invalid")
        assert await product.stored_files() == []
        assert await product.jobs() == []


async def test_a_password_with_letters_of_any_language_works_in_a_header(product: Product) -> None:
    content_type, body = encode([file(PHOTO)])
    headers = {b"X-Slot-Password": SLOT_PASSWORD.encode(), b"Content-Type": content_type.encode()}
    answer = await product.client.post("/api/ingest/slot-001", content=body, headers=headers)
    assert answer.status_code == 200


async def test_a_password_behind_the_file_is_none(product: Product) -> None:
    answer = await post(product, file(PHOTO), text("password", SLOT_PASSWORD))
    assert_problem(answer, 401, "slot-credentials-invalid")
    assert await product.stored_files() == []
    assert await product.jobs() == []


async def test_a_slot_without_a_password_lets_nobody_in(product: Product) -> None:
    for password in (SLOT_PASSWORD, "", None):
        assert_problem(await product.send(PHOTO, slot="slot-002", password=password), 401, "slot-credentials-invalid")
    assert await product.stored_files() == []


async def test_ten_wrong_passwords_lock_the_slot_for_that_address_and_not_for_a_booth_that_was_right(
    lone_product: Product,
) -> None:
    await lone_product.parts.slots.set_password("slot-002", SLOT_PASSWORD, Actor.command_line())
    assert (await lone_product.send(PHOTO)).status_code == 200
    for number in range(10):
        answer = await lone_product.send(PHOTO, password=f"wrong {number}")
        assert_problem(answer, 401, "slot-credentials-invalid")
    locked = await lone_product.send(PHOTO, password="wrong again")
    assert_problem(locked, 429, "login-locked")
    assert 1 <= int(locked.headers["retry-after"]) <= 60
    assert (await lone_product.send(PHOTO)).status_code == 200
    assert (await lone_product.send(PHOTO, slot="slot-002")).status_code == 200


async def test_a_locked_slot_refuses_the_right_password_of_somebody_new(lone_product: Product) -> None:
    for number in range(10):
        await lone_product.send(PHOTO, password=f"wrong {number}")
    assert_problem(await lone_product.send(PHOTO), 429, "login-locked")
    lone_product.client._transport.client = ("127.0.0.9", 50_000)  # type: ignore[attr-defined]
    assert (await lone_product.send(PHOTO)).status_code == 200


async def test_no_more_than_ten_wrong_passwords_are_told_so_when_they_come_at_once(lone_product: Product) -> None:
    answers = await asyncio.gather(*(lone_product.send(PHOTO, password=f"wrong {number}") for number in range(30)))
    codes = [answer.json()["code"] for answer in answers]
    assert codes.count("slot-credentials-invalid") == 10
    assert codes.count("login-locked") == 20


# Slots


@pytest.mark.parametrize("slot", ["slot-999", "SLOT-001", "slot-1", "x", "slot-001%00", "%2e%2e"])
async def test_an_unknown_slot_is_not_found(product: Product, slot: str) -> None:
    assert (await product.send(PHOTO, slot=slot)).status_code == 404
    assert await product.stored_files() == []


async def test_an_unknown_slot_says_so(product: Product) -> None:
    assert_problem(await product.send(PHOTO, slot="slot-999"), 404, "slot-not-found")


async def test_a_slot_that_is_switched_off_says_so(product: Product) -> None:
    await product.change_slot(enabled=False)
    assert_problem(await product.send(PHOTO), 404, "slot-disabled")
    assert await product.stored_files() == []


# Sizes


async def test_a_body_announced_too_large_is_refused_unread(product: Product) -> None:
    await product.change_slot(upload_limit_mb=1)
    taken = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal taken
        taken += 1
        yield b"x"

    headers = {
        "Content-Type": "multipart/form-data; boundary=BB",
        "Content-Length": str(2 * MIB),
        "Expect": "100-continue",
    }
    answer = await product.client.post("/api/ingest/slot-001", content=body(), headers=headers)
    assert assert_problem(answer, 413, "upload-too-large")["limit_bytes"] == MIB
    assert taken == 0
    assert await product.stored_files() == []


async def test_a_body_announced_too_large_by_a_known_sender_is_a_rejected_job(product: Product) -> None:
    await product.change_slot(upload_limit_mb=1, password=PLAIN_PASSWORD)
    answer = await product.send(bytes(2 * MIB), password=None, headers={"X-Slot-Password": PLAIN_PASSWORD})
    assert_problem(answer, 413, "upload-too-large")
    assert (await product.job(answer.headers["x-job-id"]))["failure"]["code"] == "upload-too-large"


async def test_a_photo_over_the_limit_is_refused_and_leaves_a_rejected_job_alone(product: Product) -> None:
    await product.change_slot(upload_limit_mb=1)
    answer = await product.send(PHOTO + bytes(MIB + 1 - len(PHOTO)))
    assert assert_problem(answer, 413, "upload-too-large")["limit_bytes"] == MIB
    assert await product.stored_files() == []
    await assert_rejected(product, answer, "upload-too-large")


async def test_a_photo_of_exactly_the_limit_is_accepted(product: Product) -> None:
    await product.change_slot(upload_limit_mb=1)
    assert (await product.send(PHOTO + bytes(MIB - len(PHOTO)))).status_code == 200


async def test_the_settings_limit_holds_where_the_slot_has_none(product: Product) -> None:
    await product.change_settings(upload_limit_mb=1)
    assert (await product.send(PHOTO + bytes(MIB))).json()["limit_bytes"] == MIB


# What is sent


@pytest.mark.parametrize(
    "data",
    [
        b"just text, which is no picture at all, however long it goes on and on",
        b"<html><body><img src=x></body></html>",
        b"%PDF-1.7\n1 0 obj",
        b"GIF89a" + bytes(100),
        pictures.tiff(),
        pictures.avif(),
        b"x",
    ],
    ids=["text", "html", "pdf", "gif", "tiff", "avif", "one byte"],
)
async def test_what_is_no_accepted_image_leaves_a_rejected_job_alone(product: Product, data: bytes) -> None:
    answer = await product.send(data)
    assert_problem(answer, 415, "unsupported-image")
    assert await product.stored_files() == []
    await assert_rejected(product, answer, "unsupported-image")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (pictures.cut(pictures.jpeg(640, 480)), "image-unreadable"),
        (pictures.cut(pictures.heic(640, 480), 0.7), "image-unreadable"),
        (b"\x89PNG\r\n\x1a\n" + bytes(500), "image-unreadable"),
        (pictures.png_claiming(20_000, 20_000), "image-too-many-pixels"),
        (pictures.claiming(40_000, 8), "image-too-many-pixels"),
    ],
    ids=["cut jpeg", "cut heic", "hollow png", "too many pixels", "too long a side"],
)
async def test_an_image_that_cannot_be_used_is_refused_and_its_key_is_free_again(
    product: Product, data: bytes, code: str
) -> None:
    key = {"Idempotency-Key": "photo-1"}
    answer = await product.send(data, headers=key)
    assert_problem(answer, 422, code)
    await assert_rejected(product, answer, code)
    await product.parts.retention.settled()
    assert await product.stored_files() == []
    again = await product.send(data)
    assert again.status_code == 422
    assert again.headers["x-job-id"] != answer.headers["x-job-id"]
    good = await product.send(PHOTO, headers=key)
    assert (good.status_code, good.headers["x-outcome"]) == (200, "transformed")


PASSWORD = text("password", SLOT_PASSWORD)


@pytest.mark.parametrize(
    "parts",
    [
        [PASSWORD],
        [PASSWORD, file(b"")],
        [PASSWORD, file(PHOTO), file(PHOTO)],
        [PASSWORD, file(PHOTO), file(PHOTO, "photo")],
        [PASSWORD, PASSWORD, file(PHOTO)],
        [PASSWORD, file(PHOTO, "picture")],
        [PASSWORD, file(PHOTO, filename="")],
        [PASSWORD, text("survey1", "x" * 8193), file(PHOTO)],
        [PASSWORD, *(text(f"survey{n}", "x" * 8192) for n in range(8)), file(PHOTO)],
        [PASSWORD, *(text(f"x{n}", "") for n in range(64)), file(PHOTO)],
        [PASSWORD, text("album", b"\xff"), file(PHOTO)],
        [PASSWORD, text("ref", "abc"), file(PHOTO)],
        [PASSWORD, text("ref", "a b c d"), file(PHOTO)],
        [PASSWORD, file(PHOTO), text("ref", "r" * 65)],
    ],
    ids=[
        *("no file", "empty file", "two files", "two names", "two passwords", "another name", "no filename"),
        *("long text", "much text", "many texts", "no utf-8", "short ref", "bad ref", "long ref behind"),
    ],
)
async def test_a_malformed_upload_leaves_nothing_behind(product: Product, parts: list[Part]) -> None:
    assert_problem(await post(product, *parts), 400, "malformed-upload")
    assert await product.stored_files() == []
    assert await product.jobs() == []


@pytest.mark.parametrize(
    ("content_type", "cut"),
    [("image/jpeg", None), ("multipart/form-data", None), ("multipart/form-data; boundary=CC", None), (None, -1)],
    ids=["no multipart", "no boundary", "another boundary", "cut"],
)
async def test_broken_framing_leaves_nothing_behind(
    product: Product, content_type: str | None, cut: int | None
) -> None:
    right_type, body = encode([PASSWORD, file(PHOTO)])
    body = body if cut is None else body[: body.rindex(b"--BB--")]
    headers = {"Content-Type": content_type or right_type}
    answer = await product.client.post("/api/ingest/slot-001", content=body, headers=headers)
    assert_problem(answer, 400, "malformed-upload")
    assert await product.stored_files() == []


@pytest.mark.parametrize("name", ["fileToUpload", "file", "photo", "image"])
async def test_the_file_goes_by_four_names_with_or_without_a_filename(product: Product, name: str) -> None:
    bare = Part((f'Content-Disposition: form-data; name="{name}"',), PHOTO)
    answers = [await post(product, PASSWORD, each) for each in (file(PHOTO, name), bare)]
    assert [answer.headers["x-outcome"] for answer in answers] == ["transformed", "duplicate"]


# The Idempotency-Key's form


@pytest.mark.parametrize(
    "keys",
    [[b"a", b"b"], [b"a", b"a"], [b"k" * 256], ["ключ".encode()], [b""], [b'""'], [b"a b"]],
    ids=["two", "twice", "too long", "not ascii", "empty", "empty quotes", "space"],
)
async def test_a_wrong_idempotency_key_is_refused(product: Product, keys: list[bytes]) -> None:
    content_type, body = encode([PASSWORD, file(PHOTO)])
    headers = [(b"Content-Type", content_type.encode()), *((b"Idempotency-Key", key) for key in keys)]
    answer = await product.client.post("/api/ingest/slot-001", content=body, headers=headers)
    assert_problem(answer, 400, "idempotency-key-invalid")
    assert await product.stored_files() == []


# How much


async def test_over_the_global_rate_a_sender_is_told_when_to_come_again(lone_product: Product) -> None:
    await lone_product.change_settings(ingest_rps=0.1, ingest_burst=2)
    assert [(await lone_product.send(PHOTO)).status_code for _ in range(2)] == [200, 200]
    stored = await lone_product.stored_files()
    refused = await lone_product.send(pictures.jpeg(48, 32, seed=2))
    assert_problem(refused, 429, "rate-limited")
    assert 1 <= int(refused.headers["retry-after"]) <= 20
    assert await lone_product.stored_files() == stored


async def assert_rejected(product: Product, answer: httpx.Response, code: str) -> None:
    job = await product.job(answer.headers["x-job-id"])
    assert (job["status"], job["failure"]["code"]) == ("rejected", code)
    assert job["failure"]["detail"] == answer.json()["detail"]
    assert job["result"] is None
    assert job["outcome"] is None


@pytest.mark.parametrize(("accept", "kind"), [("text/html", "text/html"), ("*/*", "application/problem+json")])
async def test_a_browser_gets_a_page_with_the_same_status(product: Product, accept: str, kind: str) -> None:
    answer = await product.send(PHOTO, slot="slot-999", headers={"Accept": accept})
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (404, kind)


async def test_a_sane_request_id_comes_back_and_another_is_replaced(product: Product) -> None:
    sent = [
        await product.send(PHOTO, slot="slot-999", headers={"X-Request-ID": given}) for given in ("booth-1-42", "a b")
    ]
    assert sent[0].headers["x-request-id"] == sent[0].json()["instance"] == "booth-1-42"
    assert sent[1].headers["x-request-id"] not in {"", "a b"}
