"""JSON bodies that are broken, odd or hostile: refused, and what was saved stays as it was."""

import json
from typing import Any

import pytest

from photochanger.core.limits import BODY_BYTES
from tests.support.door import SLOT, request

MALFORMED = (400, "malformed-json")
INVALID = (422, "validation-failed")
BODIES: dict[str, tuple[bytes, int, str]] = {
    "J002-empty": (b"", *MALFORMED),
    **{f"J002-{text}": (text.encode(), *INVALID) for text in ("null", "[]", '"x"', "5")},
    "J007": (b"[" * 30_000, *MALFORMED),
    "J008": (b'{"version": 0, "time_zone": "\xff"}', *MALFORMED),
    "J010": (b'{"version": 0, "time_zone": "a\\u0000"}', *MALFORMED),
    "J011": (b'{"version": ' + b"9" * 5000 + b"}", *MALFORMED),
    "J012": (b'"' + b"a" * (BODY_BYTES - 1) + b'"', 413, "body-too-large"),
}
MEMBERS: dict[str, dict[str, Any]] = {
    "J003": {"unknown_member": 1},
    "J006-text": {"max_slots": "5"},
    "J006-float": {"max_slots": 5.0},
    "J006-bool": {"max_slots": True},
    **{f"J015-{value}": {"sync_response_seconds": value} for value in (9, 61, -1, 1e9, "10")},
    **{f"J016-{value}": {"result_ttl_hours": value} for value in (0, 100_000)},
    "J020": {"version": None},
}
STEP = {"provider": "darkroom", "operation": "black_and_white"}
SLOT_MEMBERS: dict[str, dict[str, Any]] = {
    "J018-provider": {"chain": [{**STEP, "provider": "unknown"}]},
    "J018-template": {"template_media": [{"role": "frame", "media_id": "01939e2b-0000-7000-8000-000000000001"}]},
    "J025-long": {"name": "x" * 10_000},
    "J025-spaces": {"name": "   "},
}


@pytest.fixture
async def saved(door):
    """The settings, which are the same afterwards; and nothing was audited."""

    async def now() -> tuple[Any, Any]:
        settings = json.loads((await door.ask("GET", "/api/settings", *door.admin)).body)
        slot = json.loads((await door.ask("GET", f"/api/slots/{SLOT}", *door.admin)).body)
        return settings, slot

    before, audited = await now(), door.server.query("SELECT count(*) FROM audit")
    yield before
    assert await now() == before
    assert door.server.query("SELECT count(*) FROM audit") == audited


async def refused(door, path, status, code, *headers, body):
    answer = await door.send(request("PUT", path, *door.admin, *headers, body=body))
    assert (answer.status, json.loads(answer.body)["code"]) == (status, code), answer.body
    return json.loads(answer.body)


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("path", ["/api/settings", f"/api/slots/{SLOT}"], ids=["settings", "slot"])
async def test_what_is_no_document_changes_nothing(door, saved, path, name):
    body, status, code = BODIES[name]
    await refused(door, path, status, code, "Content-Type: application/json", body=body)


@pytest.mark.parametrize("name", MEMBERS)
async def test_a_wrong_setting_is_named_and_changes_nothing(door, saved, name):
    body = {"version": saved[0]["version"], **MEMBERS[name]}
    problem = await refused(door, "/api/settings", *INVALID, body=body)
    assert [error["field"] for error in problem["errors"]] == list(MEMBERS[name])


async def test_j020_a_version_is_asked_for(door, saved):
    problem = await refused(door, "/api/settings", *INVALID, body={"max_slots": 20})
    assert [error["field"] for error in problem["errors"]] == ["version"]


@pytest.mark.parametrize("name", SLOT_MEMBERS)
async def test_a_wrong_member_of_a_slot_is_named_and_changes_nothing(door, saved, name):
    body = {"version": saved[1]["version"], **SLOT_MEMBERS[name]}
    problem = await refused(door, f"/api/slots/{SLOT}", *INVALID, body=body)
    [error] = problem["errors"]
    assert error["field"].startswith(next(iter(SLOT_MEMBERS[name])))


@pytest.mark.parametrize(
    "kind", ["text/plain", "", "application/msgpack"], ids=["J014-text", "J014-none", "J014-other"]
)
async def test_json_under_another_name_is_refused(door, saved, kind):
    body = json.dumps({"version": saved[0]["version"], "max_slots": 20}).encode()
    await refused(door, "/api/settings", 415, "unsupported-media-type", f"Content-Type: {kind}", body=body)


async def test_j019_a_stale_version_is_refused_and_says_so_in_the_audit(door):
    current = json.loads((await door.ask("GET", "/api/settings", *door.admin)).body)
    answer = await door.ask("PUT", "/api/settings", *door.admin, body={"version": current["version"] + 7})
    assert (answer.status, json.loads(answer.body)["code"]) == (409, "stale-version")
    assert json.loads((await door.ask("GET", "/api/settings", *door.admin)).body) == current


async def test_j004_of_a_member_given_twice_the_last_counts(door):
    current = json.loads((await door.ask("GET", f"/api/slots/{SLOT}", *door.admin)).body)
    body = f'{{"version":{current["version"]},"name":"first","name":"second"}}'.encode()
    answer = await door.ask("PUT", f"/api/slots/{SLOT}", *door.admin, "Content-Type: application/json", body=body)
    assert (answer.status, json.loads(answer.body)["name"]) == (200, "second")


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "{{7*7}}"], ids=["J025-script", "J025-template"])
async def test_a_name_is_a_text_and_no_markup(door, name):
    version = json.loads((await door.ask("GET", f"/api/slots/{SLOT}", *door.admin)).body)["version"]
    changed = {"version": version, "name": name, "gallery": {"title": name}}
    assert (await door.ask("PUT", f"/api/slots/{SLOT}", *door.admin, body=changed)).status == 200
    page = (await door.ask("GET", f"/public/slots/{SLOT}", "Accept: text/html")).body.decode()
    assert "<script>alert" not in page
    assert name.replace("<", "&lt;").replace(">", "&gt;") in page
