"""Makes the rows of `origin` file follow the credentials file: what stands there holds, what vanished is disabled."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from photochanger.adapters.credentials_file import FileAccount
from photochanger.core.clock import Clock
from photochanger.core.ids import new_id
from photochanger.features.accounts.models import Account
from photochanger.features.accounts.repository import AccountRepository, SessionRepository
from photochanger.features.audit.schemas import Actor
from photochanger.features.audit.service import record

ORIGIN = "file"


async def follow(session: AsyncSession, clock: Clock, wanted: Sequence[FileAccount]) -> None:
    """Part of the caller's unit of work. Doing it again with the same accounts changes nothing."""
    accounts = AccountRepository(session)
    await accounts.lock_file_accounts()
    names = {account.username.casefold() for account in wanted}
    for account in await accounts.list_all(origin=ORIGIN):
        if account.username_folded not in names and account.disabled_at is None:
            account.disabled_at = now = clock.now()
            await SessionRepository(session).revoke_all(account.id, now)
            await record(session, clock, Actor.system(), "account.disabled", account.username, {"origin": ORIGIN})
    for each in wanted:
        existing = await accounts.find_similar(each.username, lock=True)
        if existing is None:
            await accounts.add(_new(each, clock.now()))
            detail = {"origin": ORIGIN, "role": each.role}
            await record(session, clock, Actor.system(), "account.created", each.username, detail)
        else:
            await _update(session, clock, existing, each)


async def _update(session: AsyncSession, clock: Clock, account: Account, wanted: FileAccount) -> None:
    """An account of the product that has the same name is taken over."""
    target = {
        "username": wanted.username,
        "password_hash": wanted.password_hash,
        "role": wanted.role,
        "origin": ORIGIN,
        "disabled_at": None,
    }
    changed = sorted(name for name, value in target.items() if getattr(account, name) != value)
    if not changed:
        return
    for name, value in target.items():
        setattr(account, name, value)
    await SessionRepository(session).revoke_all(account.id, clock.now())
    detail = {"origin": ORIGIN, "role": wanted.role, "members": changed}
    await record(session, clock, Actor.system(), "account.changed", wanted.username, detail)


def _new(wanted: FileAccount, now: datetime) -> Account:
    return Account(
        id=new_id(now),
        username=wanted.username,
        username_folded=wanted.username.casefold(),
        password_hash=wanted.password_hash,
        role=wanted.role,
        origin=ORIGIN,
        created_at=now,
        disabled_at=None,
    )
