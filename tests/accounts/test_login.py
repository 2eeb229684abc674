import asyncio

import pytest

from photochanger.adapters.db.session import Database
from photochanger.adapters.passwords import Passwords
from photochanger.core.errors import Problem
from photochanger.features.accounts.service import AccountService
from tests.support.accounts import PASSWORD, TESTER, account_service
from tests.support.audit import entries
from tests.support.clock import FakeClock

HERE, THERE = "192.0.2.1", "192.0.2.2"


@pytest.fixture
async def serg(accounts: AccountService) -> str:
    await accounts.create("serg", PASSWORD, "admin", TESTER)
    return "serg"


async def outcome(accounts: AccountService, username: str, password: str, address: str = HERE) -> str:
    try:
        await accounts.login(username, password, address)
    except Problem as problem:
        return problem.code
    return "token"


async def fail(accounts: AccountService, username: str, times: int, address: str = HERE) -> list[str]:
    return [await outcome(accounts, username, "wrong password", address) for _ in range(times)]


async def test_a_right_password_opens_a_session(accounts: AccountService, serg: str, database: Database) -> None:
    token = await accounts.login(serg, PASSWORD, HERE)
    assert (token.token_type, token.expires_in) == ("bearer", 43_200)
    identity = await accounts.authenticate(f"Bearer {token.access_token}")
    assert (identity.username, identity.role) == ("serg", "admin")
    [entry] = await entries(database, action="login.succeeded")
    assert (entry.actor, entry.address, entry.subject) == ("serg", HERE, "serg")


async def test_every_login_is_a_session_of_its_own(accounts: AccountService, serg: str) -> None:
    tokens = [(await accounts.login(serg, PASSWORD, HERE)).access_token for _ in range(2)]
    first, second = [await accounts.authenticate(f"Bearer {token}") for token in tokens]
    assert first.jti != second.jti
    await accounts.logout(first, HERE)
    assert (await accounts.authenticate(f"Bearer {tokens[1]}")).jti == second.jti


@pytest.mark.parametrize(
    "username", ["nobody", "SERG", " serg", "serg ", "serg\0", "\u0455erg", "", "\0", "\ud800", "x" * 5000, "serg\n"]
)
async def test_any_other_name_is_unknown(accounts: AccountService, serg: str, username: str) -> None:
    assert await outcome(accounts, username, PASSWORD) == "credentials-invalid"


@pytest.mark.parametrize("password", ["", PASSWORD + " ", PASSWORD.upper(), PASSWORD + "\0", "\ud800", "x" * 50_000])
async def test_any_other_password_is_wrong(accounts: AccountService, serg: str, password: str) -> None:
    assert await outcome(accounts, serg, password) == "credentials-invalid"


async def test_an_unknown_name_costs_a_hash_too(
    accounts: AccountService, serg: str, passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes: list[str] = []
    fits = passwords._fits

    def noted(stored: str, password: bytes) -> bool:
        hashes.append(stored)
        return fits(stored, password)

    monkeypatch.setattr(passwords, "_fits", noted)
    for username in ("nobody", serg):
        await outcome(accounts, username, "wrong password")
    unknown, known = hashes
    assert unknown.split("$")[:4] == known.split("$")[:4]


async def test_five_failures_lock_the_name_for_that_address_even_for_the_right_password(
    accounts: AccountService, serg: str
) -> None:
    assert await fail(accounts, serg, 5) == ["credentials-invalid"] * 5
    assert await outcome(accounts, serg, PASSWORD) == "login-locked"
    assert await outcome(accounts, serg, PASSWORD, THERE) == "token"


async def test_the_lock_says_how_long_it_lasts_and_ends_then(
    accounts: AccountService, serg: str, clock: FakeClock
) -> None:
    await fail(accounts, serg, 5)
    clock.advance(minutes=1)
    with pytest.raises(Problem) as locked:
        await accounts.login(serg, PASSWORD, HERE)
    assert locked.value.retry_after == 14 * 60
    assert "14 minutes" in locked.value.detail
    clock.advance(minutes=13, seconds=59)
    assert await outcome(accounts, serg, PASSWORD) == "login-locked"
    clock.advance(seconds=1)
    assert await outcome(accounts, serg, PASSWORD) == "token"


async def test_tries_during_the_lock_do_not_lengthen_it(accounts: AccountService, serg: str, clock: FakeClock) -> None:
    await fail(accounts, serg, 5)
    clock.advance(minutes=14)
    assert await fail(accounts, serg, 3) == ["login-locked"] * 3
    clock.advance(minutes=1)
    assert await outcome(accounts, serg, PASSWORD) == "token"


async def test_after_a_lock_five_more_failures_lock_again(
    accounts: AccountService, serg: str, clock: FakeClock
) -> None:
    await fail(accounts, serg, 5)
    clock.advance(minutes=15)
    assert await fail(accounts, serg, 6) == [*["credentials-invalid"] * 5, "login-locked"]


async def test_failures_spread_over_more_than_15_minutes_do_not_lock(
    accounts: AccountService, serg: str, clock: FakeClock
) -> None:
    for _ in range(8):
        await fail(accounts, serg, 1)
        clock.advance(minutes=4)
    assert await outcome(accounts, serg, PASSWORD) == "token"


async def test_success_clears_the_failures_of_that_pair_alone(accounts: AccountService, serg: str) -> None:
    await fail(accounts, serg, 4)
    await fail(accounts, serg, 4, THERE)
    assert await outcome(accounts, serg, PASSWORD) == "token"
    assert await fail(accounts, serg, 4) == ["credentials-invalid"] * 4
    await fail(accounts, serg, 1, THERE)
    assert await outcome(accounts, serg, PASSWORD, THERE) == "login-locked"


async def test_an_unknown_name_is_locked_like_a_known_one(accounts: AccountService, serg: str) -> None:
    assert await fail(accounts, "nobody", 6) == await fail(accounts, serg, 6)


async def test_of_simultaneous_wrong_passwords_five_are_answered(accounts: AccountService, serg: str) -> None:
    answers = await asyncio.gather(*[outcome(accounts, serg, f"guess {number}") for number in range(12)])
    assert sorted(answers) == [*["credentials-invalid"] * 5, *["login-locked"] * 7]


async def test_simultaneous_right_passwords_all_get_in(accounts: AccountService, serg: str) -> None:
    assert await asyncio.gather(*[outcome(accounts, serg, PASSWORD) for _ in range(8)]) == ["token"] * 8


async def test_a_locked_try_costs_no_hash(
    accounts: AccountService, serg: str, passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fail(accounts, serg, 5)
    monkeypatch.setattr(passwords, "_fits", lambda *_: pytest.fail("hashed"))
    assert await outcome(accounts, serg, PASSWORD) == "login-locked"


async def test_the_lock_survives_a_restart(
    accounts: AccountService, serg: str, database: Database, clock: FakeClock, passwords: Passwords
) -> None:
    await fail(accounts, serg, 5)
    assert await outcome(account_service(database, clock, passwords), serg, PASSWORD) == "login-locked"


async def test_a_lock_is_audited_once_and_keeps_what_was_typed_to_itself(
    accounts: AccountService, serg: str, database: Database
) -> None:
    await fail(accounts, serg, 7)
    await fail(accounts, "my secret typed as a name", 7)
    locks = await entries(database, action="login.locked")
    assert {(entry.actor, entry.address, entry.subject) for entry in locks} == {
        ("anonymous", HERE, "serg"),
        ("anonymous", HERE, "(unknown name)"),
    }
    assert len(locks) == 2
    assert "wrong password" not in repr(locks)


async def test_a_password_changed_while_it_was_verified_opens_nothing(
    accounts: AccountService, serg: str, passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify = passwords.verify

    async def overtaken(stored: str, password: str) -> bool:
        is_right = await verify(stored, password)
        await accounts.set_password(serg, "another password", TESTER)
        return is_right

    monkeypatch.setattr(passwords, "verify", overtaken)
    assert await outcome(accounts, serg, PASSWORD) == "credentials-invalid"


async def test_a_disabled_account_stays_outside(accounts: AccountService, serg: str) -> None:
    await accounts.disable(serg, TESTER)
    assert await outcome(accounts, serg, PASSWORD) == "credentials-invalid"
