"""Accounts for tests: a service, its three usual users, and their tokens."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from photochanger.adapters.credentials_file import CredentialsFile
from photochanger.adapters.db.session import Database
from photochanger.adapters.passwords import Passwords
from photochanger.core.clock import Clock
from photochanger.features.accounts.service import AccountService
from photochanger.features.audit.schemas import Actor

SIGNING_KEY = b"a key of tests, thirty-two bytes or more"
PASSWORD = "correct horse"
TESTER = Actor("tests", "192.0.2.9")


class Users(NamedTuple):
    """`Authorization` headers."""

    admin: dict[str, str]
    operator: dict[str, str]
    member: dict[str, str]


def account_service(
    database: Database,
    clock: Clock,
    passwords: Passwords,
    credentials: Path | None = None,
    signing_keys: Sequence[bytes] = (SIGNING_KEY,),
) -> AccountService:
    return AccountService(database, clock, passwords, signing_keys, CredentialsFile(credentials))


async def three_users(accounts: AccountService) -> Users:
    return Users(*[await signed_in(accounts, role) for role in ("admin", "operator", "member")])


async def signed_in(accounts: AccountService, role: str) -> dict[str, str]:
    await accounts.create(role, PASSWORD, role, TESTER)
    token = await accounts.login(role, PASSWORD, "127.0.0.1")
    return {"Authorization": f"Bearer {token.access_token}"}
