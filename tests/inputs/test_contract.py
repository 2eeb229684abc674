"""What the OpenAPI document allows, and what it does not, sent to a server of its own: none of it is a crash of ours.

`--examples N` tries N requests of each operation, instead of a few.
"""

import asyncio
import json
from collections.abc import Mapping

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import response_schema_conformance

from tests.support.door import SLOT, Door, upload
from tests.support.multipart import file
from tests.support.openapi import committed
from tests.support.pictures import jpeg
from tests.support.product import SLOT_PASSWORD
from tests.support.server import running_server

ENDS_THE_SESSION = "logout"
EXPECTED = {"provider-failed", "provider-timeout"}
"""What a slot may answer that was changed to what makes no photo, such as a budget of nothing."""


@pytest.fixture
async def lone_door(tmp_path):
    """Everything is tried on it, also what would spoil the shared one."""
    async with running_server(tmp_path, RATE_LIMIT_INGEST_BURST="10000", RATE_LIMIT_INGEST_RPS="1000") as server:
        door = Door(server)
        await door.open()
        yield door
        await door.left_in_order()


async def test_nothing_that_may_be_asked_for_is_a_crash(lone_door, pytestconfig):
    sent = await lone_door.send(upload(file(jpeg(48, 32))))
    known = {"slot_id": SLOT, "job_id": sent.headers["x-job-id"], "size": "thumb", "version": 1}
    count = pytestconfig.getoption("examples")
    tried = await asyncio.to_thread(try_operations, lone_door.server.url, lone_door.admin[0], known, count)
    assert tried.keys() == {
        operation["operationId"]
        for methods in committed()["paths"].values()
        for operation in methods.values()
        if "operationId" in operation
    }
    assert {name for name, statuses in tried.items() if statuses == {401}} <= {ENDS_THE_SESSION, "login"}


def try_operations(url: str, admin: str, known: Mapping[str, object], count: int) -> dict[str, set[int]]:
    """The statuses that each operation answered with."""
    schema = schemathesis.openapi.from_dict(committed())
    tried: dict[str, set[int]] = {}
    with requests.Session() as session:
        session.headers["X-Slot-Password"] = SLOT_PASSWORD.encode().decode("latin-1")
        found = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
        for operation in sorted(found, key=lambda each: not each.path.startswith("/public")):  # the others delete
            name = operation.definition.raw["operationId"]
            session.headers["Authorization"] = "" if name == ENDS_THE_SESSION else admin.partition(": ")[2]
            tried[name] = try_operation(operation, session, url, known, count)
    return tried


def try_operation(operation, session, url, known, count):
    statuses = set()
    cases = st.one_of(*[operation.as_strategy(generation_mode=mode) for mode in GenerationMode])

    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=cases, is_known=st.booleans())
    def one(case, is_known):
        if is_known and operation.method != "delete":  # what is gone cannot be read
            case.path_parameters |= {name: known[name] for name in case.path_parameters if name in known}
            if operation.method == "put" and isinstance(case.body, dict) and "version" in case.body:
                case.body["version"] = session.get(url + case.formatted_path).json().get("version", 0)
        answer = case.call(base_url=url, session=session, timeout=60)
        statuses.add(answer.status_code)
        case.validate_response(answer, checks=[response_schema_conformance])
        assert answer.status_code < 500 or json.loads(answer.content)["code"] in EXPECTED, answer.content
        if answer.status_code >= 400 and answer.content:
            assert answer.headers["content-type"] == ["application/problem+json"], answer.content
            assert json.loads(answer.content)["status"] == answer.status_code

    one()
    return statuses
