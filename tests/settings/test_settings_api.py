from collections.abc import AsyncIterator

import httpx
import pytest

from photochanger.adapters.db.session import Database
from photochanger.features.accounts.service import AccountService
from photochanger.features.settings.api import SettingsApi
from photochanger.features.settings.schemas import Settings
from photochanger.features.settings.service import SettingsService
from tests.support.accounts import Users, three_users
from tests.support.api import serving
from tests.support.audit import entries
from tests.support.clock import FakeClock

PATH = "/api/settings"


@pytest.fixture
async def users(accounts: AccountService) -> Users:
    return await three_users(accounts)


@pytest.fixture
async def client(database: Database, clock: FakeClock, accounts: AccountService) -> AsyncIterator[httpx.AsyncClient]:
    settings = SettingsService(database, clock, Settings(), lambda: ("darkroom",))
    async with serving([SettingsApi], {"settings": settings}, accounts=accounts, clock=clock) as client:
        yield client


async def test_an_administrator_changes_settings(client: httpx.AsyncClient, users: Users, database: Database) -> None:
    before = (await client.get(PATH, headers=users.admin)).json()
    assert before["version"] == 1
    assert before["source_ttl_hours"] is None
    answer = await client.put(PATH, headers=users.admin, json={**before, "result_ttl_hours": 24})
    assert answer.status_code == 200
    assert answer.json() == {**before, "version": 2, "result_ttl_hours": 24}
    assert (await client.get(PATH, headers=users.admin)).json() == answer.json()
    [entry] = await entries(database, action="settings.changed")
    assert (entry.actor, entry.address) == ("admin", "127.0.0.1")


async def test_a_stale_save_answers_409_with_the_version(client: httpx.AsyncClient, users: Users) -> None:
    await client.put(PATH, headers=users.admin, json={"version": 1, "max_slots": 16})
    answer = await client.put(PATH, headers=users.admin, json={"version": 1, "max_slots": 17})
    assert (answer.status_code, answer.json()["code"], answer.json()["version"]) == (409, "stale-version", 2)
    assert "Changed by admin meanwhile" in answer.json()["detail"]


async def test_wrong_members_answer_422_with_every_field(client: httpx.AsyncClient, users: Users) -> None:
    answer = await client.put(PATH, headers=users.admin, json={"max_slots": 0, "x": 1})
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == {"version", "max_slots", "x"}


async def test_the_openapi_document_names_body_and_answers(client: httpx.AsyncClient) -> None:
    operation = (await client.get("/schema/openapi.json")).json()["paths"][PATH]["put"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    assert body["properties"]["sync_response_seconds"] == {
        "type": "integer",
        "minimum": 10,
        "maximum": 60,
        "default": 50,
    }
    assert body["required"] == ["version"]
    assert {"200", "401", "403", "409", "422"} <= operation["responses"].keys()


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_only_administrators_come_in(client: httpx.AsyncClient, users: Users, method: str) -> None:
    assert (await client.request(method, PATH)).status_code == 401
    for role in (users.operator, users.member):
        assert (await client.request(method, PATH, headers=role)).status_code == 403
