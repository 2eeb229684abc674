from typing import Any

import pytest
from litestar import Request, Response, get
from litestar.response import Stream
from structlog.testing import capture_logs

from photochanger.core.errors import Problem
from photochanger.web.context import context_of
from photochanger.web.hosts import Addresses
from photochanger.web.metrics import Metrics
from tests.support.clock import FakeClock
from tests.support.web import client_of, kit_app

clock = FakeClock()


@get("/seen", sync_to_thread=False)
def seen(request: Request[Any, Any, Any]) -> dict[str, object]:
    context = context_of(request.scope)
    clock.advance(seconds=1.5)
    return {"id": context.id, "started": context.started, "client": context.client}


@get(["/public/store/{token:str}", "/r/{link:str}/{ref:str}", "/slots/{slot_id:str}"], sync_to_thread=False)
def secret_path() -> Response[bytes]:
    return Response(b"x", media_type="image/png")


@get("/refused", sync_to_thread=False)
def refused() -> None:
    raise Problem("slot-disabled")


@get("/page", sync_to_thread=False, media_type="text/html")
def html_page() -> str:
    return "<p>"


@get("/half", sync_to_thread=False)
def half() -> Stream:
    async def chunks():
        yield b"1"
        raise RuntimeError("cut")

    return Stream(chunks())


def app(**options):
    return kit_app(seen, secret_path, refused, html_page, half, clock=clock, **options)


@pytest.mark.parametrize("path", ["/seen", "/nowhere", "/refused", "/static/css/base.css", "/static/nope"])
async def test_every_answer_carries_a_request_id(path):
    async with client_of(app()) as client:
        first, second = await client.get(path), await client.get(path)
        post = await client.post(path)
    assert len(first.headers["x-request-id"]) == 32
    assert len({answer.headers["x-request-id"] for answer in (first, second, post)}) == 3


async def test_a_sane_request_id_is_kept():
    async with client_of(app()) as client:
        answer = await client.get("/seen", headers={"X-Request-ID": "Booth_1.photo-7"})
    assert answer.headers["x-request-id"] == answer.json()["id"] == "Booth_1.photo-7"


@pytest.mark.parametrize("given", ["short", "a" * 65, "with space", "quote'quote'", "слот-слот-слот"])
async def test_another_request_id_is_replaced(given):
    async with client_of(app()) as client:
        answer = await client.get("/seen", headers={b"X-Request-ID": given.encode()})
    assert answer.headers["x-request-id"] != given
    assert len(answer.headers["x-request-id"]) == 32


async def test_the_access_log_tells_what_happened_and_how_long_it_took():
    with capture_logs() as lines:
        async with client_of(app(), peer="10.1.2.3") as client:
            await client.get("/seen?key=hunter2", headers={b"User-Agent": "Booth\x7f 1\u00e9".encode()})
    [line] = [line for line in lines if line["event"] == "http.answered"]
    assert line["path"] == "/seen"
    assert (line["method"], line["status"], line["client"]) == ("GET", 200, "10.1.2.3")
    assert line["duration_ms"] == 1500.0
    assert "\x7f" not in line["user_agent"]
    assert "hunter2" not in str(lines)


async def test_the_access_log_names_the_problem():
    with capture_logs() as lines:
        async with client_of(app()) as client:
            await client.get("/refused")
    assert [line["code"] for line in lines if line["event"] == "http.answered"] == ["slot-disabled"]


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/public/store/s3cret", "/public/store/[redacted]"),
        ("//public//store//s3cret", "//public//store//[redacted]"),
        ("/public/inputs/s3cret/x", "/public/inputs/[redacted]/x"),
        ("/r/s3cret/guest-s3cret", "/r/[redacted]"),
        ("/slots/slot-001", "/slots/slot-001"),
        ("/no%0Awhere", "/no\ufffdwhere"),
    ],
)
async def test_secret_parts_of_a_path_are_not_logged(path, logged):
    with capture_logs() as lines:
        async with client_of(app()) as client:
            await client.get(f"http://localhost{path}")
    assert [line["path"] for line in lines if line["event"] == "http.answered"] == [logged]


async def test_an_answer_that_breaks_off_is_logged_as_such():
    with capture_logs() as lines:
        async with client_of(app()) as client:
            await client.get("/half")
    assert [line["event"] for line in lines if line["event"].startswith("http.")] == ["http.broken_off"]


async def test_metrics_count_routes_and_not_addresses():
    metrics = Metrics()
    async with client_of(app(metrics=metrics)) as client:
        for number in range(5):
            await client.get(f"/slots/slot-{number}")
            await client.get(f"/nowhere-{number}")
        await client.request("BREW", "/slots/x")

    def count(**labels):
        return metrics.registry.get_sample_value("photochanger_http_requests_total", labels)

    assert count(method="GET", route="/slots/{slot_id}", status="200") == 5
    assert count(method="GET", route="unmatched", status="404") == 5
    assert count(method="other", route="unmatched", status="405") == 1


@pytest.mark.parametrize("path", ["/seen", "/nowhere", "/static/css/base.css"])
async def test_every_answer_forbids_sniffing_and_strange_referrers(path):
    async with client_of(app()) as client:
        answer = await client.get(path)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert "x-robots-tag" not in answer.headers
    assert "strict-transport-security" not in answer.headers


@pytest.mark.parametrize("path", ["/public/store/x", "/public/nothing", "//public//nothing", "/r/a/b"])
async def test_what_guests_see_stays_out_of_search_engines(path):
    async with client_of(app()) as client:
        answer = await client.get(f"http://localhost{path}")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-robots-tag"] == "noindex"


async def test_a_page_may_load_only_from_us_and_the_store():
    async with client_of(app(image_hosts=["https://photos.example"])) as client:
        policy = (await client.get("/page")).headers["content-security-policy"]
    assert policy == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https://photos.example; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


async def test_an_image_is_sandboxed():
    async with client_of(app()) as client:
        answer = await client.get("/public/store/x")
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"


async def test_https_is_remembered_only_where_the_public_address_has_it():
    async with client_of(app(addresses=Addresses("https://photo.example"))) as client:
        assert (await client.get("/seen")).headers["strict-transport-security"] == "max-age=31536000"
