import base64
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest

from photochanger.adapters.db.session import Database
from photochanger.adapters.passwords import Passwords
from photochanger.core.errors import Problem
from photochanger.core.ids import new_id
from photochanger.features.accounts.schemas import Identity
from photochanger.features.accounts.service import AccountService
from photochanger.features.accounts.tokens import Tokens
from tests.support.accounts import PASSWORD, SIGNING_KEY, TESTER, account_service
from tests.support.clock import FakeClock

REQUIRED = ("iss", "aud", "exp", "iat", "jti", "sub")


@pytest.fixture
async def token(accounts: AccountService) -> str:
    await accounts.create("serg", PASSWORD, "operator", TESTER)
    return (await accounts.login("serg", PASSWORD, "192.0.2.1")).access_token


async def identity_of(accounts: AccountService, authorization: str | None) -> Identity | None:
    """None where the header is refused; no other answer is allowed."""
    try:
        return await accounts.authenticate(authorization)
    except Problem as problem:
        if problem.code != "login-required":
            raise
        return None


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def signed(claims: dict[str, Any], headers: dict[str, Any] | None = None, key: bytes = SIGNING_KEY) -> str:
    return "Bearer " + jwt.encode(claims, key, "HS256", headers=headers)


async def test_the_token_says_who_and_carries_every_claim(accounts: AccountService, token: str) -> None:
    claims = claims_of(token)
    assert set(claims) == set(REQUIRED)
    assert (claims["iss"], claims["aud"]) == ("photochanger", "photochanger-api")
    assert claims["exp"] - claims["iat"] == 12 * 3600
    identity = await identity_of(accounts, f"Bearer {token}")
    assert identity is not None
    assert (str(identity.account_id), identity.jti) == (claims["sub"], UUID(claims["jti"]))


async def test_another_program_may_sign_the_same_claims(accounts: AccountService, token: str) -> None:
    assert await identity_of(accounts, signed(dict(reversed(claims_of(token).items()))))


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic {}", "Bearer  {}", " Bearer {}", "{}", "Bearer {} "]
)
async def test_any_other_spelling_of_the_header_is_refused(
    accounts: AccountService, token: str, header: str | None
) -> None:
    assert await identity_of(accounts, f"Bearer {token}")
    assert await identity_of(accounts, header and header.format(token)) is None


@pytest.mark.parametrize(
    "text", ["x", "a.b", "a.b.c", "...", "é.é.é", "\udcff", "A" * 100_000, "e30.e30.", "W10.W10.W10"]
)
async def test_what_is_no_token_is_refused(accounts: AccountService, text: str) -> None:
    assert await identity_of(accounts, f"Bearer {text}") is None


async def test_every_changed_character_of_the_signature_is_refused(accounts: AccountService, token: str) -> None:
    body, _, signature = token.rpartition(".")
    for position, character in enumerate(signature):
        other = "B" if character == "A" else "A"
        changed = signature[:position] + other + signature[position + 1 :]
        assert await identity_of(accounts, f"Bearer {body}.{changed}") is None
    for changed in ("", signature[:-1], signature + "A", signature + "=", signature[:-1] + chr(ord(signature[-1]) + 1)):
        assert await identity_of(accounts, f"Bearer {body}.{changed}") is None


@pytest.mark.parametrize("algorithm", ["none", "None", "nOnE", ""])
async def test_an_unsigned_token_is_refused(accounts: AccountService, token: str, algorithm: str) -> None:
    header = base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "typ": "JWT"}).encode()).decode().rstrip("=")
    _, payload, signature = token.split(".")
    for end in ("", signature):
        assert await identity_of(accounts, f"Bearer {header}.{payload}.{end}") is None


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
async def test_another_algorithm_is_refused(accounts: AccountService, token: str, algorithm: str) -> None:
    key = SIGNING_KEY.ljust(64)
    assert await identity_of(accounts, "Bearer " + jwt.encode(claims_of(token), key, algorithm)) is None


async def test_another_key_is_refused(accounts: AccountService, token: str) -> None:
    assert await identity_of(accounts, signed(claims_of(token), key=SIGNING_KEY[::-1])) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"crit": ["foo"], "foo": 1},
        {"kid": "../../dev/null"},
        {"jku": "https://evil.example"},
        {"jwk": {"kty": "oct", "k": ""}},
        {"x5u": "https://evil.example"},
        {"typ": "at+jwt"},
        {"typ": None},
        {"cty": "JWT"},
    ],
)
async def test_headers_beside_alg_and_typ_are_refused(
    accounts: AccountService, token: str, headers: dict[str, Any]
) -> None:
    assert await identity_of(accounts, signed(claims_of(token), headers)) is None


@pytest.mark.parametrize("claim", REQUIRED)
async def test_every_claim_is_required(accounts: AccountService, token: str, claim: str) -> None:
    claims = claims_of(token)
    del claims[claim]
    assert await identity_of(accounts, signed(claims)) is None


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("iss", "somebody"),
        ("aud", "another-service"),
        ("aud", ["photochanger-api"]),
        ("exp", 10**30),
        ("exp", "9999999999"),
        ("exp", float("nan")),
        ("exp", float("inf")),
        ("exp", True),
        ("exp", None),
        ("exp", -1),
        ("iat", "now"),
        ("iat", float("nan")),
        ("jti", "x"),
        ("jti", 5),
        ("sub", "admin"),
        ("sub", "00000000-0000-7000-8000-000000000000"),
        ("sub", "{sub}"),
    ],
)
async def test_a_wrong_claim_is_refused(accounts: AccountService, token: str, claim: str, value: object) -> None:
    claims = claims_of(token)
    claims[claim] = claims["sub"].upper() if value == "{sub}" else value
    assert await identity_of(accounts, signed(claims)) is None


async def test_an_unknown_session_is_refused(accounts: AccountService, token: str, clock: FakeClock) -> None:
    assert await identity_of(accounts, signed({**claims_of(token), "jti": str(new_id(clock.now()))})) is None


async def test_a_token_lives_twelve_hours_and_a_minute_of_leeway(
    accounts: AccountService, token: str, clock: FakeClock
) -> None:
    clock.advance(hours=12, seconds=59)
    assert await identity_of(accounts, f"Bearer {token}")
    clock.advance(seconds=1)
    assert await identity_of(accounts, f"Bearer {token}") is None


async def test_a_token_of_a_clock_a_little_ahead_is_good(accounts: AccountService, token: str) -> None:
    claims = claims_of(token)
    assert await identity_of(accounts, signed({**claims, "iat": claims["iat"] + 60}))
    assert await identity_of(accounts, signed({**claims, "iat": claims["iat"] + 61})) is None


async def test_old_sessions_are_swept_by_the_next_login_and_living_ones_stay(
    accounts: AccountService, token: str, clock: FakeClock
) -> None:
    clock.advance(hours=12, seconds=30)
    await accounts.login("serg", PASSWORD, "192.0.2.1")
    assert await identity_of(accounts, f"Bearer {token}")  # within the leeway


async def test_logout_kills_the_token_at_once(accounts: AccountService, token: str) -> None:
    identity = await accounts.authenticate(f"Bearer {token}")
    await accounts.logout(identity, "192.0.2.1")
    assert await identity_of(accounts, f"Bearer {token}") is None


async def test_a_new_password_and_disabling_kill_every_token(accounts: AccountService, token: str) -> None:
    await accounts.set_password("serg", "another password", TESTER)
    assert await identity_of(accounts, f"Bearer {token}") is None
    newer = (await accounts.login("serg", "another password", "192.0.2.1")).access_token
    await accounts.disable("serg", TESTER)
    assert await identity_of(accounts, f"Bearer {newer}") is None


def test_a_short_key_is_refused() -> None:
    for keys in ([b"x" * 31], [SIGNING_KEY, b"x" * 31]):
        with pytest.raises(ValueError, match="32 bytes"):
            Tokens(keys, FakeClock())


async def test_a_key_is_exchanged_while_its_sessions_go_on(
    accounts: AccountService, token: str, database: Database, clock: FakeClock, passwords: Passwords
) -> None:
    """First every process learns the new key, then it signs, then the old one is forgotten."""
    fresh = b"the new key of tests, thirty-two bytes or more"

    def process(*keys: bytes) -> AccountService:
        return account_service(database, clock, passwords, signing_keys=keys)

    learned, exchanged, forgotten = process(SIGNING_KEY, fresh), process(fresh, SIGNING_KEY), process(fresh)
    newer = (await exchanged.login("serg", PASSWORD, "192.0.2.1")).access_token
    for service, accepts_old, accepts_new in (
        (accounts, True, False),
        (learned, True, True),
        (exchanged, True, True),
        (forgotten, False, True),
    ):
        assert (await identity_of(service, f"Bearer {token}") is not None) is accepts_old
        assert (await identity_of(service, f"Bearer {newer}") is not None) is accepts_new


async def test_what_the_previous_key_signed_is_looked_at_as_closely(
    token: str, database: Database, clock: FakeClock, passwords: Passwords
) -> None:
    service = account_service(database, clock, passwords, signing_keys=(b"n" * 32, SIGNING_KEY))
    claims = claims_of(token)
    assert await identity_of(service, signed(claims)) is not None
    assert await identity_of(service, signed({**claims, "aud": "another-service"})) is None
    assert await identity_of(service, signed(claims, {"kid": "previous"})) is None
    assert await identity_of(service, signed(claims, key=b"o" * 32)) is None
    clock.advance(hours=12, minutes=1)
    assert await identity_of(service, signed(claims)) is None


async def test_the_times_are_the_injected_clocks(accounts: AccountService, token: str, clock: FakeClock) -> None:
    """A real clock far off the injected one, before or after, changes nothing."""
    clock.advance(hours=24 * 365 * 20)
    assert await identity_of(accounts, f"Bearer {token}") is None
    later = (await accounts.login("serg", PASSWORD, "192.0.2.1")).access_token
    assert await identity_of(accounts, f"Bearer {later}")
    clock.advance(seconds=-timedelta(days=365 * 25).total_seconds())
    assert await identity_of(accounts, f"Bearer {later}") is None
