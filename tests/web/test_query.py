from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import pytest
from litestar import Request, get, post
from msgspec import Meta, Struct

from photochanger.web.openapi import documented
from photochanger.web.query import read_query
from tests.support.web import client_of, kit_app


class Step(Struct):
    provider: str


class Draft(Struct):
    name: str
    chain: list[Step] = []


class Listing(Struct, kw_only=True):
    slot_id: Annotated[str, Meta(pattern=r"^slot-\d{3}$")] | None = None
    status: Literal["done", "failed"] | None = None
    since: Annotated[datetime, Meta(tz=True)] | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    everything: bool = False


class Needed(Struct):
    q: str


@get("/jobs", operation_class=documented(query=Listing, problems=["slot-not-found", "slot-disabled", "rate-limited"]))
async def list_jobs(request: Request[Any, Any, Any]) -> Listing:
    return read_query(request, Listing)


@get("/needed")
async def needed(request: Request[Any, Any, Any]) -> Needed:
    return read_query(request, Needed)


@post("/slots", operation_class=documented(body=Draft))
async def create() -> None: ...


async def ask(query, path="/jobs"):
    async with client_of(kit_app(list_jobs, needed, create)) as client:
        return await client.get(f"{path}?{query}")


async def errors(query, path="/jobs"):
    answer = await ask(query, path)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation-failed")
    return {error["field"]: error["message"] for error in answer.json()["errors"]}


async def test_parameters_have_their_types():
    answer = await ask("slot_id=slot-007&status=done&since=2026-11-21T08:30:00Z&limit=200&everything=1&unknown=x")
    assert answer.json() == {
        "slot_id": "slot-007",
        "status": "done",
        "since": "2026-11-21T08:30:00Z",
        "limit": 200,
        "everything": True,
    }


async def test_what_is_left_out_has_its_default():
    assert (await ask("")).json() == {
        "slot_id": None,
        "status": None,
        "since": None,
        "limit": 50,
        "everything": False,
    }


async def test_all_mistakes_are_told_at_once():
    found = await errors("slot_id=SLOT&status=lost&since=yesterday&limit=0&everything=maybe")
    assert set(found) == {"slot_id", "status", "since", "limit", "everything"}
    assert "from 1 to 200" in found["limit"]
    assert "2026" in found["since"]


@pytest.mark.parametrize(
    "query",
    ["limit=", "limit=5.0", "limit=1e1", "limit=+5", "limit=%205", "limit=true", "limit=201", "limit=" + "9" * 90],
)
async def test_only_a_plain_whole_number_is_one(query):
    assert set(await errors(query)) == {"limit"}


@pytest.mark.parametrize("since", ["2026-11-21", "2026-11-21T08:30:00", "1700000000", "2026-13-01T00:00:00Z"])
async def test_only_a_moment_with_its_zone_is_a_time(since):
    assert set(await errors(f"since={since}")) == {"since"}


async def test_a_parameter_given_twice_is_a_mistake():
    assert await errors("limit=5&limit=6") == {"limit": "is given more than once"}


async def test_a_required_parameter_is_asked_for():
    assert await errors("", "/needed") == {"q": "is required"}
    assert (await ask("q=5", "/needed")).json() == {"q": "5"}


async def test_nul_is_refused():
    assert set(await errors("q=%00", "/needed")) == {"q"}


@pytest.mark.parametrize("query", ["q=%ff", "&".join(f"a{n}=1" for n in range(200)), "q=" + "[" * 2000])
async def test_strange_queries_are_no_crash(query):
    assert (await ask(query, "/needed")).status_code in (200, 400)


async def test_a_zone_is_understood():
    answer = await ask("since=2026-11-21T10:30:00%2B02:00")
    assert datetime.fromisoformat(answer.json()["since"]) == datetime(2026, 11, 21, 8, 30, tzinfo=UTC)


async def test_the_openapi_document_shows_what_is_read_by_hand():
    async with client_of(kit_app(list_jobs, create)) as client:
        answer = await client.get("/schema/openapi.json")
    assert answer.status_code == 200
    document = answer.json()
    assert document["openapi"].startswith("3.1")
    assert document["info"] == {"title": "PhotoChanger", "version": "1.0.0"}
    jobs = document["paths"]["/jobs"]["get"]
    parameters = {each["name"]: each for each in jobs["parameters"]}
    assert set(parameters) == {"slot_id", "status", "since", "limit", "everything"}
    assert parameters["limit"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}
    assert parameters["limit"]["in"] == "query"
    assert set(jobs["responses"]) == {"200", "404", "429", "default"}
    assert jobs["responses"]["404"]["description"] == "slot-not-found, slot-disabled"
    schema = document["paths"]["/slots"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert schema["required"] == ["name"]
    assert schema["properties"]["chain"]["items"]["properties"] == {"provider": {"type": "string"}}
    assert "$defs" not in answer.text
