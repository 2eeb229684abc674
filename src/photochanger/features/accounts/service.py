"""Who may sign in and who is signed in. No HTTP, no SQL."""

import math
from collections.abc import Sequence
from typing import cast, get_args

from sqlalchemy.ext.asyncio import AsyncSession

from photochanger.adapters.credentials_file import CredentialsFile
from photochanger.adapters.db.session import Database
from photochanger.adapters.passwords import Passwords
from photochanger.core.clock import Clock
from photochanger.core.errors import Problem
from photochanger.core.forms import Mistakes, invalid
from photochanger.core.ids import new_id
from photochanger.features.accounts.credentials import ORIGIN, follow
from photochanger.features.accounts.failures import Failures
from photochanger.features.accounts.lockout import FAILURES, subject_of
from photochanger.features.accounts.models import Account, Origin, Role, Session
from photochanger.features.accounts.repository import AccountRepository, SessionRepository
from photochanger.features.accounts.schemas import AccountDocument, Identity, Token
from photochanger.features.accounts.tokens import LEEWAY, LIFE, Tokens
from photochanger.features.audit.schemas import Actor
from photochanger.features.audit.service import record

_NAME_LENGTH = 64
_PASSWORD_LENGTH = range(8, 1025)
_NOBODY = "(unknown name)"


class AccountService:
    def __init__(
        self,
        database: Database,
        clock: Clock,
        passwords: Passwords,
        signing_keys: Sequence[bytes],
        credentials_file: CredentialsFile,
    ) -> None:
        self._database = database
        self._clock = clock
        self._passwords = passwords
        self._tokens = Tokens(signing_keys, clock)
        self._credentials_file = credentials_file

    async def login(self, username: str, password: str, address: str) -> Token:
        """Opens a session. `credentials-invalid`, or `login-locked` while this name is locked for this address.

        A right password is judged by the same transaction that counts failures: of any number of simultaneous tries
        only the first five get an answer.
        """
        subject = subject_of(username)
        async with self._database.read() as session:
            await _refuse_locked(Failures(session, self._clock, subject, address))
            account = await AccountRepository(session).find(username) if _is_name(username) else None
        is_right = await self._is_right(account, password)
        async with self._database.write() as session:
            failures = Failures(session, self._clock, subject, address)
            await failures.lock()
            await _refuse_locked(failures)
            token = await self._open(session, account, address) if account is not None and is_right else None
            if token is None:
                await self._count_failure(session, failures, account, address)
            else:
                await failures.clear()
        if token is None:
            raise Problem("credentials-invalid")
        return token

    async def authenticate(self, authorization: str | None) -> Identity:
        """Who sends this `Authorization` header; `login-required` for anything that is no living session."""
        claims = self._tokens.read(authorization)
        async with self._database.read() as session:
            found = await SessionRepository(session).find_alive(claims.session_id)
        if found is None:
            raise Problem("login-required")
        login, account = found
        if account.id != claims.account_id or claims.exp > (login.expires_at + LEEWAY).timestamp():
            raise Problem("login-required")
        return Identity(account.id, account.username, cast("Role", account.role), login.jti)

    async def logout(self, identity: Identity, address: str) -> None:
        async with self._database.write() as session:
            if await SessionRepository(session).revoke(identity.jti, self._clock.now()):
                actor = Actor(identity.username, address)
                await record(session, self._clock, actor, "session.ended", identity.username)

    async def has_any_account(self) -> bool:
        """False on the first run: nobody could ever sign in."""
        async with self._database.read() as session:
            return await AccountRepository(session).has_any()

    async def list_accounts(self) -> list[AccountDocument]:
        async with self._database.read() as session:
            return [_document(account) for account in await AccountRepository(session).list_all()]

    async def create(self, username: str, password: str, role: str, actor: Actor) -> AccountDocument:
        """A disabled account of that name comes back with the new password and role. Raises `validation-failed`."""
        mistakes = Mistakes()
        if not _is_name(username) or username != username.strip():
            mistakes.add("username", f"must be 1 to {_NAME_LENGTH} printable characters")
        if role not in get_args(Role):
            mistakes.add("role", "must be one of " + ", ".join(get_args(Role)))
        _check_password(password, mistakes)
        mistakes.raise_if_any()
        password_hash = await self._passwords.hash(password)
        async with self._database.write() as session:
            accounts = AccountRepository(session)
            existing = await accounts.find_similar(username, lock=True)
            if existing is not None and existing.disabled_at is None:
                raise invalid("username", f"is taken by {existing.username}")
            account = existing or Account(id=new_id(self._clock.now()), created_at=self._clock.now())
            account.username, account.username_folded = username, username.casefold()
            account.password_hash, account.role = password_hash, role
            account.origin, account.disabled_at = "product", None
            if existing is None and not await accounts.add(account):
                raise invalid("username", "is taken")
            await record(session, self._clock, actor, "account.created", username, {"role": role})
        return _document(account)

    async def set_password(self, username: str, password: str, actor: Actor) -> None:
        """Ends every session of the account. Raises `not-found` and `validation-failed`."""
        mistakes = Mistakes()
        _check_password(password, mistakes)
        mistakes.raise_if_any()
        password_hash = await self._passwords.hash(password)
        async with self._database.write() as session:
            account = await self._editable(session, username)
            account.password_hash = password_hash
            await SessionRepository(session).revoke_all(account.id, self._clock.now())
            await record(session, self._clock, actor, "account.password_changed", username)

    async def disable(self, username: str, actor: Actor) -> None:
        """Ends every session of the account. Raises `not-found` and `validation-failed`."""
        async with self._database.write() as session:
            account = await self._editable(session, username)
            if account.disabled_at is None:
                account.disabled_at = now = self._clock.now()
                await SessionRepository(session).revoke_all(account.id, now)
                await record(session, self._clock, actor, "account.disabled", username)

    async def sync_credentials_file(self) -> None:
        """At the start and whenever the file changed. Raises CredentialsFileBroken and then changes nothing."""
        wanted = self._credentials_file.read().accounts
        async with self._database.write() as session:
            await follow(session, self._clock, wanted)
        self._credentials_file.followed()

    async def _is_right(self, account: Account | None, password: str) -> bool:
        """Takes as long for a name nobody has."""
        if account is None:
            await self._passwords.dummy_verify(password)
            return False
        return await self._passwords.verify(account.password_hash, password) and account.disabled_at is None

    async def _open(self, session: AsyncSession, verified: Account, address: str) -> Token | None:
        """A session, unless the account changed while its password was verified."""
        now = self._clock.now()
        account = await AccountRepository(session).find(verified.username, lock=True)
        if account is None or account.disabled_at or account.password_hash != verified.password_hash:
            return None
        sessions = SessionRepository(session)
        await sessions.delete_expired(now - LEEWAY)
        jti = new_id(now)
        sessions.add(
            Session(
                jti=jti,
                account_id=account.id,
                address=address,
                created_at=now,
                expires_at=now + LIFE,
                revoked_at=None,
            )
        )
        await record(session, self._clock, Actor(account.username, address), "login.succeeded", account.username)
        token = self._tokens.issue(account_id=account.id, jti=jti, now=now)
        return Token(access_token=token, expires_in=int(LIFE.total_seconds()))

    async def _count_failure(
        self, session: AsyncSession, failures: Failures, account: Account | None, address: str
    ) -> None:
        await failures.count()
        if await failures.seconds_locked() is not None:
            name = account.username if account is not None else _NOBODY
            actor = Actor("anonymous", address)
            await record(session, self._clock, actor, "login.locked", name, {"failures": FAILURES})

    async def _editable(self, session: AsyncSession, username: str) -> Account:
        account = await AccountRepository(session).find(username, lock=True) if _is_name(username) else None
        if account is None:
            raise Problem("not-found", "There is no account of that name.")
        if account.origin == ORIGIN:
            raise invalid("username", "stands in the credentials file; change it there")
        return account


async def _refuse_locked(failures: Failures) -> None:
    seconds = await failures.seconds_locked()
    if seconds is not None:
        minutes = math.ceil(seconds / 60)
        wait = "1 minute" if minutes == 1 else f"{minutes} minutes"
        raise Problem("login-locked", f"Wait {wait}, then try again.", retry_after=seconds)


def _is_name(username: str) -> bool:
    """Whether an account could have that name; nothing else reaches the database."""
    return 0 < len(username) <= _NAME_LENGTH and username.isprintable()


def _check_password(password: str, mistakes: Mistakes) -> None:
    if len(password) not in _PASSWORD_LENGTH:
        shortest, longest = _PASSWORD_LENGTH[0], _PASSWORD_LENGTH[-1]
        mistakes.add("password", f"must have {shortest} to {longest} characters")
    elif "\0" in password or any("\ud800" <= character <= "\udfff" for character in password):
        mistakes.add("password", "must not hold NUL characters or broken Unicode")


def _document(account: Account) -> AccountDocument:
    return AccountDocument(
        username=account.username,
        role=cast("Role", account.role),
        origin=cast("Origin", account.origin),
        created_at=account.created_at,
        disabled_at=account.disabled_at,
    )
