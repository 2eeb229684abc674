from datetime import timedelta

import httpx
import pytest

from photochanger.adapters.db.session import Database
from photochanger.core.errors import Problem
from photochanger.features.accounts.service import AccountService
from photochanger.features.audit.api import AuditApi
from photochanger.features.audit.schemas import Actor, AuditFilters
from photochanger.features.audit.service import record
from tests.support.accounts import three_users
from tests.support.api import serving
from tests.support.audit import audit_service, entries
from tests.support.clock import FakeClock

ANNA = Actor("anna", "192.0.2.1")
BORIS = Actor("boris", "192.0.2.2")


async def write(database: Database, clock: FakeClock, actor: Actor, action: str, subject: str) -> None:
    clock.advance(seconds=1)
    async with database.write() as session:
        await record(session, clock, actor, action, subject, {"n": 1})


async def test_an_entry_says_who_did_what_when_and_from_where(database: Database, clock: FakeClock) -> None:
    await write(database, clock, ANNA, "slot.changed", "slot-001")
    [entry] = await entries(database)
    assert (entry.actor, entry.address, entry.action, entry.subject, entry.detail, entry.at) == (
        "anna",
        "192.0.2.1",
        "slot.changed",
        "slot-001",
        {"n": 1},
        clock.now(),
    )


async def test_an_entry_vanishes_with_the_change_it_tells_of(database: Database, clock: FakeClock) -> None:
    async def change() -> None:
        async with database.write() as session:
            await record(session, clock, ANNA, "slot.changed", "slot-001")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await change()
    assert await entries(database) == []


async def test_pages_show_every_entry_once_and_newest_first(database: Database, clock: FakeClock) -> None:
    for number in range(5):
        await write(database, clock, ANNA, "slot.changed", f"slot-{number}")
    service = audit_service(database)
    seen: list[str] = []
    cursor = None
    for expected in (2, 2, 1):
        page = await service.list_entries(AuditFilters(), 2, cursor)
        assert len(page.items) == expected
        seen += [entry.subject for entry in page.items]
        cursor = page.next_cursor
        await write(database, clock, BORIS, "slot.changed", "later")
    assert cursor is None
    assert seen == ["slot-4", "slot-3", "slot-2", "slot-1", "slot-0"]


async def test_a_full_last_page_promises_no_other(database: Database, clock: FakeClock) -> None:
    await write(database, clock, ANNA, "slot.changed", "slot-001")
    assert (await audit_service(database).list_entries(AuditFilters(), 1, None)).next_cursor is None


async def test_a_forged_cursor_is_refused(database: Database) -> None:
    with pytest.raises(Problem) as refused:
        await audit_service(database).list_entries(AuditFilters(), 10, "bm90IG91cnMgYXQgYWxs")
    assert refused.value.code == "validation-failed"


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"actor": "anna"}, ["c", "a"]),
        ({"action": "job.hidden"}, ["b"]),
        ({"subject": "c"}, ["c"]),
        ({"actor": "anna", "subject": "b"}, []),
    ],
)
async def test_filters_narrow_the_list(
    database: Database, clock: FakeClock, filters: dict[str, str], found: list[str]
) -> None:
    await write(database, clock, ANNA, "slot.changed", "a")
    await write(database, clock, BORIS, "job.hidden", "b")
    await write(database, clock, ANNA, "slot.changed", "c")
    assert [entry.subject for entry in await entries(database, **filters)] == found


async def test_since_is_included_and_until_is_not(database: Database, clock: FakeClock) -> None:
    for subject in "abc":
        await write(database, clock, ANNA, "slot.changed", subject)
    filters = AuditFilters(since=clock.now() - timedelta(seconds=2), until=clock.now())
    page = await audit_service(database).list_entries(filters, 10, None)
    assert [entry.subject for entry in page.items] == ["b", "a"]


async def ask(
    database: Database, clock: FakeClock, accounts: AccountService, query: str, role: str = "admin"
) -> httpx.Response:
    users = await three_users(accounts)
    services = {"audit": audit_service(database), "clock": clock}
    async with serving([AuditApi], services, accounts=accounts, clock=clock) as client:
        return await client.get("/api/audit" + query, headers=getattr(users, role))


async def test_an_administrator_reads_the_log(database: Database, clock: FakeClock, accounts: AccountService) -> None:
    answer = await ask(database, clock, accounts, "?action=account.created&limit=1&since=2026-11-21T08:00:00Z")
    assert answer.status_code == 200
    [item] = answer.json()["items"]
    assert item["at"] == "2026-11-21T08:30:00Z"
    assert item["actor"] == "tests"
    assert item["address"] == "192.0.2.9"
    assert answer.json()["next_cursor"]


@pytest.mark.parametrize("role", ["operator", "member"])
async def test_nobody_else_reads_the_log(
    database: Database, clock: FakeClock, accounts: AccountService, role: str
) -> None:
    assert (await ask(database, clock, accounts, "", role)).status_code == 403


async def test_every_wrong_parameter_is_named(database: Database, clock: FakeClock, accounts: AccountService) -> None:
    answer = await ask(database, clock, accounts, "?limit=201&since=yesterday&until=2026-11-21T08:30:00")
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == {"limit", "since", "until"}


@pytest.mark.parametrize(
    ("window", "field"),
    [
        ("?since=2026-09-01T00:00:00Z&until=2026-11-01T00:00:00Z", "since"),
        ("?since=2026-11-02T00:00:00Z&until=2026-11-01T00:00:00Z", "until"),
    ],
)
async def test_a_window_over_30_days_or_backwards_is_refused(
    database: Database, clock: FakeClock, accounts: AccountService, window: str, field: str
) -> None:
    answer = await ask(database, clock, accounts, window)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
