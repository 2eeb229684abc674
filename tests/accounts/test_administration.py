import json
from pathlib import Path
from typing import Any

import pytest

from photochanger.adapters.credentials_file import CredentialsFileBroken
from photochanger.adapters.db.session import Database
from photochanger.adapters.passwords import Passwords
from photochanger.core.errors import Problem
from photochanger.features.accounts.service import AccountService
from tests.support.accounts import PASSWORD, TESTER, account_service
from tests.support.audit import entries
from tests.support.clock import FakeClock

HERE = "192.0.2.1"


async def problem_of(call: Any) -> Problem:
    with pytest.raises(Problem) as refused:
        await call
    return refused.value


async def actions(database: Database) -> list[tuple[str, str]]:
    return sorted((entry.action, entry.subject) for entry in await entries(database))


async def test_the_first_account_ends_the_first_run(accounts: AccountService) -> None:
    assert not await accounts.has_any_account()
    await accounts.create("anna", PASSWORD, "admin", TESTER)
    assert await accounts.has_any_account()


async def test_an_account_is_listed_without_its_hash(accounts: AccountService, clock: FakeClock) -> None:
    await accounts.create("anna", PASSWORD, "admin", TESTER)
    await accounts.create("Boris", PASSWORD, "member", TESTER)
    await accounts.disable("Boris", TESTER)
    anna, boris = await accounts.list_accounts()
    assert (anna.username, anna.role, anna.origin, anna.created_at, anna.disabled_at) == (
        "anna",
        "admin",
        "product",
        clock.now(),
        None,
    )
    assert (boris.username, boris.disabled_at) == ("Boris", clock.now())
    assert "argon2" not in repr([anna, boris])


@pytest.mark.parametrize(
    ("username", "password", "role", "fields"),
    [
        ("", PASSWORD, "admin", ["username"]),
        ("x" * 65, PASSWORD, "admin", ["username"]),
        ("an\0na", PASSWORD, "admin", ["username"]),
        ("an\nna", PASSWORD, "admin", ["username"]),
        (" anna", PASSWORD, "admin", ["username"]),
        ("anna", "seven77", "admin", ["password"]),
        ("anna", "x" * 1025, "admin", ["password"]),
        ("anna", "eight\0chars", "admin", ["password"]),
        ("anna", "\udce9\udce9\udce9\udce9\udce9\udce9\udce9\udce9", "admin", ["password"]),
        ("anna", PASSWORD, "root", ["role"]),
        ("", "", "", ["username", "role", "password"]),
    ],
)
async def test_wrong_values_are_refused_all_at_once(
    accounts: AccountService, username: str, password: str, role: str, fields: list[str]
) -> None:
    problem = await problem_of(accounts.create(username, password, role, TESTER))
    assert [error.field for error in problem.members["errors"]] == fields
    assert not await accounts.has_any_account()


@pytest.mark.parametrize("username", ["ж", "x" * 64, "Anna Müller", "a@b.example"])
async def test_an_ordinary_name_may_sign_in(accounts: AccountService, username: str) -> None:
    await accounts.create(username, "8 chars!", "member", TESTER)
    assert await accounts.login(username, "8 chars!", HERE)


@pytest.mark.parametrize("second", ["anna", "Anna", "ANNA"])
async def test_a_name_is_taken_in_every_case(accounts: AccountService, second: str) -> None:
    await accounts.create("anna", PASSWORD, "admin", TESTER)
    problem = await problem_of(accounts.create(second, PASSWORD, "admin", TESTER))
    assert problem.code == "validation-failed"
    assert len(await accounts.list_accounts()) == 1


async def test_a_disabled_account_comes_back_by_making_it_again(accounts: AccountService) -> None:
    await accounts.create("anna", PASSWORD, "admin", TESTER)
    await accounts.disable("anna", TESTER)
    await accounts.create("anna", "another password", "operator", TESTER)
    assert (await problem_of(accounts.login("anna", PASSWORD, HERE))).code == "credentials-invalid"
    token = await accounts.login("anna", "another password", HERE)
    assert (await accounts.authenticate(f"Bearer {token.access_token}")).role == "operator"


async def test_changes_are_audited_without_passwords(accounts: AccountService, database: Database) -> None:
    await accounts.create("anna", PASSWORD, "admin", TESTER)
    await accounts.set_password("anna", "another password", TESTER)
    await accounts.disable("anna", TESTER)
    await accounts.disable("anna", TESTER)
    assert await actions(database) == [
        ("account.created", "anna"),
        ("account.disabled", "anna"),
        ("account.password_changed", "anna"),
    ]
    written = repr(await entries(database))
    assert PASSWORD not in written
    assert "another password" not in written
    assert "argon2" not in written


@pytest.mark.parametrize("username", ["nobody", "", "an\0na", "\ud800", "ANNA"])
async def test_an_unknown_account_cannot_be_changed(accounts: AccountService, username: str) -> None:
    await accounts.create("anna", PASSWORD, "admin", TESTER)
    assert (await problem_of(accounts.disable(username, TESTER))).code == "not-found"
    assert (await problem_of(accounts.set_password(username, PASSWORD, TESTER))).code == "not-found"


async def test_a_short_new_password_is_refused_and_the_old_one_stays(accounts: AccountService) -> None:
    await accounts.create("anna", PASSWORD, "admin", TESTER)
    assert (await problem_of(accounts.set_password("anna", "short", TESTER))).code == "validation-failed"
    assert await accounts.login("anna", PASSWORD, HERE)


class File:
    """The credentials file, and a service that follows it."""

    def __init__(self, path: Path, accounts: AccountService, passwords: Passwords) -> None:
        self.path = path
        self.accounts = accounts
        self.passwords = passwords

    async def write(self, **roles: str) -> None:
        """Each name with its role; the password is the name, twice."""
        accounts = [
            {"username": name, "password_hash": await self.passwords.hash(name * 2), "role": role}
            for name, role in roles.items()
        ]
        self.path.write_text(json.dumps({"accounts": accounts}))
        await self.accounts.sync_credentials_file()

    async def role(self, token: str) -> str:
        try:
            return (await self.accounts.authenticate(f"Bearer {token}")).role
        except Problem:
            return "nobody"


@pytest.fixture
def file(tmp_path: Path, database: Database, clock: FakeClock, passwords: Passwords) -> File:
    path = tmp_path / "credentials.json"
    return File(path, account_service(database, clock, passwords, path), passwords)


async def test_an_account_of_the_file_may_sign_in(file: File, database: Database) -> None:
    await file.write(fred="operator")
    token = await file.accounts.login("fred", "fredfred", HERE)
    assert await file.role(token.access_token) == "operator"
    assert [account.origin for account in await file.accounts.list_accounts()] == ["file"]
    assert ("account.created", "fred") in await actions(database)


async def test_reading_the_same_file_again_changes_nothing(file: File, database: Database) -> None:
    await file.write(fred="operator")
    token = await file.accounts.login("fred", "fredfred", HERE)
    before = await actions(database)
    await file.accounts.sync_credentials_file()
    assert await file.role(token.access_token) == "operator"
    assert await actions(database) == before


async def test_a_new_role_or_hash_ends_the_sessions(file: File) -> None:
    await file.write(fred="operator")
    token = await file.accounts.login("fred", "fredfred", HERE)
    await file.write(fred="admin")
    assert await file.role(token.access_token) == "nobody"
    newer = await file.accounts.login("fred", "fredfred", HERE)
    assert await file.role(newer.access_token) == "admin"


async def test_an_account_that_vanished_from_the_file_is_disabled_and_may_come_back(file: File) -> None:
    await file.write(fred="operator", gina="admin")
    tokens = [await file.accounts.login(name, name * 2, HERE) for name in ("fred", "gina")]
    file.path.unlink()
    await file.accounts.sync_credentials_file()
    assert [await file.role(token.access_token) for token in tokens] == ["nobody", "nobody"]
    assert (await problem_of(file.accounts.login("fred", "fredfred", HERE))).code == "credentials-invalid"
    await file.write(fred="operator")
    assert await file.accounts.login("fred", "fredfred", HERE)


async def test_a_product_account_of_the_same_name_is_taken_over(file: File) -> None:
    await file.accounts.create("Fred", PASSWORD, "admin", TESTER)
    token = await file.accounts.login("Fred", PASSWORD, HERE)
    await file.write(fred="member")
    assert await file.role(token.access_token) == "nobody"
    [account] = await file.accounts.list_accounts()
    assert (account.username, account.role, account.origin) == ("fred", "member", "file")


async def test_accounts_of_the_product_do_not_follow_the_file(file: File) -> None:
    await file.accounts.create("anna", PASSWORD, "admin", TESTER)
    await file.write(fred="member")
    await file.write()
    assert await file.accounts.login("anna", PASSWORD, HERE)


async def test_an_account_of_the_file_is_not_edited_in_the_product(file: File) -> None:
    await file.write(fred="member")
    for call in (
        file.accounts.disable("fred", TESTER),
        file.accounts.set_password("fred", PASSWORD, TESTER),
        file.accounts.create("fred", PASSWORD, "admin", TESTER),
    ):
        assert (await problem_of(call)).code == "validation-failed"
    assert await file.accounts.login("fred", "fredfred", HERE)


async def test_a_broken_file_leaves_every_account_alone(file: File) -> None:
    await file.write(fred="member")
    file.path.write_text('{"accounts": [')
    with pytest.raises(CredentialsFileBroken):
        await file.accounts.sync_credentials_file()
    assert await file.accounts.login("fred", "fredfred", HERE)
