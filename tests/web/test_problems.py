from typing import Annotated, Any

import httpx
import pytest
from litestar import Request, get, post
from litestar.params import FromPath, FromQuery, QueryParameter
from structlog.testing import capture_logs

from photochanger.core.errors import PROBLEMS, Problem
from photochanger.core.forms import FieldError
from tests.support.web import client_of, kit_app


@get("/problem/{code:str}", sync_to_thread=False)
def raise_problem(code: FromPath[str]) -> None:
    raise Problem(code, limit_bytes=7) if code == "upload-too-large" else Problem(code)


@get("/later", sync_to_thread=False)
def raise_later() -> None:
    raise Problem("slot-busy", "Wait.", retry_after=2.2)


@get("/crash", sync_to_thread=False)
def crash() -> None:
    raise RuntimeError("the secret is hunter2")


@get("/typed", sync_to_thread=False)
def typed(count: FromQuery[int], size: Annotated[int, QueryParameter(le=3)]) -> dict[str, int]:
    return {"sum": count + size}


@post("/invalid", sync_to_thread=False)
def invalid(request: Request[Any, Any, Any]) -> None:
    raise Problem("validation-failed", errors=[FieldError("name", "is required"), FieldError("age", "is negative")])


def app():
    return kit_app(raise_problem, raise_later, crash, typed, invalid)


async def ask(method: str, path: str, **options: Any) -> httpx.Response:
    async with client_of(app()) as client:
        return await client.request(method, path, **options)


async def test_a_problem_is_answered_as_a_problem_document():
    answer = await ask("GET", "/problem/upload-too-large", headers={"X-Request-ID": "booth-0001"})
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    kind = PROBLEMS["upload-too-large"]
    assert answer.json() == {
        "type": "/problems/upload-too-large",
        "title": kind.title,
        "status": 413,
        "detail": kind.detail,
        "instance": "booth-0001",
        "code": "upload-too-large",
        "limit_bytes": 7,
    }


@pytest.mark.parametrize("code", sorted(PROBLEMS))
async def test_every_problem_has_its_status_and_says_when_to_come_back(code):
    answer = await ask("GET", f"/problem/{code}")
    assert answer.status_code == PROBLEMS[code].status
    assert answer.json()["code"] == code
    assert ("retry-after" in answer.headers) == (answer.status_code in (429, 503))
    assert int(answer.headers.get("retry-after", 1)) >= 1
    assert ("www-authenticate" in answer.headers) == (answer.status_code == 401)


async def test_retry_after_is_rounded_up_to_whole_seconds():
    assert (await ask("GET", "/later")).headers["retry-after"] == "3"


async def test_all_field_errors_are_answered():
    answer = await ask("POST", "/invalid")
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"field": "name", "message": "is required"},
        {"field": "age", "message": "is negative"},
    ]


async def test_an_unknown_address_is_not_found():
    answer = await ask("GET", "/nowhere")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


@pytest.mark.parametrize("path", ["/schema", "/schema/", "/schema/other", "/schema/redoc"])
async def test_only_the_document_is_found_below_schema(path):
    answer = await ask("GET", path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_a_wrong_method_says_which_are_right():
    answer = await ask("DELETE", "/later")
    assert (answer.status_code, answer.json()["code"]) == (405, "method-not-allowed")
    assert {method.strip() for method in answer.headers["allow"].split(",")} == {"GET", "OPTIONS"}


async def test_the_frameworks_own_parameter_errors_become_field_errors_without_the_address():
    answer = await ask("GET", "/typed?count=x&size=9&key=hunter2")
    assert (answer.status_code, answer.json()["code"]) == (422, "validation-failed")
    assert {error["field"] for error in answer.json()["errors"]} == {"count", "size"}
    assert "hunter2" not in answer.text
    missing = await ask("GET", "/typed?count=1")
    assert missing.status_code == 422
    assert missing.json()["errors"]


async def test_a_crash_is_logged_once_and_explained_to_nobody():
    with capture_logs() as lines:
        answer = await ask("GET", "/crash")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "hunter2" not in answer.text
    crashes = [line for line in lines if line["event"] == "request.crashed"]
    assert len(crashes) == 1
    assert isinstance(crashes[0]["exc_info"], RuntimeError)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
        ("application/json, TEXT/HTML;q=0.1", "text/html; charset=utf-8"),
        ("text/html;q=0, */*", "application/problem+json"),
        ("*/*", "application/problem+json"),
        ("application/x-text/html", "application/problem+json"),
    ],
)
async def test_html_goes_only_to_those_who_name_it(accept, kind):
    answer = await ask("GET", "/nowhere", headers={"Accept": accept})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == kind
    assert "Accept" in answer.headers["vary"]
    assert "HX-Request" in answer.headers["vary"]


async def test_the_page_of_a_problem_names_the_request():
    answer = await ask("GET", "/nowhere", headers={"Accept": "text/html", "X-Request-ID": "booth-0001"})
    assert "<!doctype html>" in answer.text
    assert "booth-0001" in answer.text
    assert PROBLEMS["not-found"].title in answer.text


async def test_htmx_gets_a_toast_with_the_same_status():
    answer = await ask("GET", "/nowhere", headers={"HX-Request": "true"})
    assert answer.status_code == 404
    assert answer.headers["hx-retarget"] == "#toasts"
    assert "<!doctype" not in answer.text
    assert 'role="alert"' in answer.text


async def test_the_problem_of_a_head_request_has_no_body():
    answer = await ask("HEAD", "/nowhere")
    assert (answer.status_code, answer.content) == (404, b"")


async def test_a_malformed_host_is_named_as_such():
    answer = await ask("GET", "/later", headers={"Host": "exa mple"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-host")
