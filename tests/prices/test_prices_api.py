from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from photochanger.adapters.db.session import Database
from photochanger.features.accounts.service import AccountService
from photochanger.features.prices.api import PricesApi
from photochanger.features.prices.service import PriceService
from tests.support.accounts import Users, three_users
from tests.support.api import serving
from tests.support.audit import entries
from tests.support.clock import FakeClock

PATH = "/api/prices"
PRICE = {"provider": "turbotext", "unit": "image", "micros": 25_000}


@pytest.fixture
async def users(accounts: AccountService) -> Users:
    return await three_users(accounts)


@pytest.fixture
def prices(database: Database, clock: FakeClock) -> PriceService:
    return PriceService(database, clock)


@pytest.fixture
async def client(prices: PriceService, clock: FakeClock, accounts: AccountService) -> AsyncIterator[httpx.AsyncClient]:
    async with serving([PricesApi], {"prices": prices}, accounts=accounts, clock=clock) as client:
        yield client


async def test_the_table_is_seeded_with_what_vendors_say(client, users, prices, clock):
    items = (await client.get(PATH, headers=users.admin)).json()["items"]
    assert [(item["provider"], item["unit"], item["micros"], item["model"]) for item in items] == [
        ("darkroom", "image", 0, None),
        ("gemini", "image", 34_000, None),
        ("gemini", "image:4K", 240_000, None),
        ("gemini", "vision", 500, None),
    ]
    assert (await prices.book()).cost("gemini", "any", None, clock.now()) == 34_000


async def test_a_saved_price_holds_from_now_on(client, users, prices, clock, database):
    answer = await client.put(PATH, headers=users.admin, json=PRICE)
    assert answer.status_code == 200
    assert answer.json() == PRICE | {"model": None, "valid_from": "2026-11-21T08:30:00Z"}
    book = await prices.book()
    assert book.cost("turbotext", None, None, clock.now()) == 25_000
    assert book.cost("turbotext", None, None, clock.now() - timedelta(seconds=1)) is None
    [entry] = await entries(database, action="price.changed")
    assert (entry.actor, entry.subject, entry.detail["micros"]) == ("admin", "turbotext", {"from": None, "to": 25_000})


async def test_a_price_of_the_same_moment_is_corrected(client, users, database):
    dated = PRICE | {"valid_from": "2026-01-01T03:00:00+03:00", "model": "m"}
    await client.put(PATH, headers=users.admin, json=dated)
    answer = await client.put(PATH, headers=users.admin, json=dated | {"micros": 30_000})
    assert answer.json()["valid_from"] == "2026-01-01T00:00:00Z"
    items = (await client.get(PATH, headers=users.admin)).json()["items"]
    assert [item["micros"] for item in items if item["provider"] == "turbotext"] == [30_000]
    details = [entry.detail["micros"] for entry in await entries(database, action="price.changed")]
    assert {"from": 25_000, "to": 30_000} in details


async def test_every_wrong_member_is_named(client, users):
    wrong = {"provider": "Turbo!", "unit": "kilo", "micros": -1, "model": "", "valid_from": "soon", "x": 1}
    answer = await client.put(PATH, headers=users.admin, json=wrong)
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == wrong.keys()


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_only_administrators_come_in(client, users, method):
    assert (await client.request(method, PATH)).status_code == 401
    for role in (users.operator, users.member):
        assert (await client.request(method, PATH, headers=role)).status_code == 403
