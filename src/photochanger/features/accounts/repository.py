"""All SQL about accounts, their sessions and failed logins."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from photochanger.adapters.db.statements import insert_for
from photochanger.adapters.db.statements import lock as lock_name
from photochanger.features.accounts.lockout import FAILURES, MEMORY
from photochanger.features.accounts.models import Account, LoginFailure, Session

_MOST_OVER = 100
"""Rows whose time is over that one sign-in forgets."""


class AccountRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def find(self, username: str, *, lock: bool = False) -> Account | None:
        """Compared exactly, also where the database's collation would not. `lock`: nobody else changes it meanwhile."""
        found = await self.find_similar(username, lock=lock)
        return found if found is not None and found.username == username else None

    async def find_similar(self, username: str, *, lock: bool = False) -> Account | None:
        """The account whose name differs at most in upper and lower case."""
        found = select(Account).where(Account.username_folded == username.casefold())
        return await self._session.scalar(found.with_for_update() if lock else found)

    async def list_all(self, *, origin: str | None = None) -> Sequence[Account]:
        found = select(Account).order_by(Account.username_folded)
        if origin is not None:
            found = found.where(Account.origin == origin)
        return (await self._session.scalars(found)).all()

    async def lock_file_accounts(self) -> None:
        """One process at a time follows the credentials file."""
        await lock_name(self._session, "credentials file")

    async def has_any(self) -> bool:
        return bool(await self._session.scalar(select(exists().select_from(Account))))

    async def add(self, account: Account) -> bool:
        """False where another one took the name meanwhile."""
        values = {column.name: getattr(account, column.name) for column in Account.__table__.columns}
        done = await self._session.execute(
            insert_for(self._session, Account).values(**values).on_conflict_do_nothing().returning(Account.id)
        )
        return done.first() is not None


class SessionRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, login: Session) -> None:
        self._session.add(login)

    async def find_alive(self, jti: UUID) -> tuple[Session, Account] | None:
        """A session that nobody ended, of an account that nobody disabled."""
        found = await self._session.execute(
            select(Session, Account)
            .join(Account, Account.id == Session.account_id)
            .where(Session.jti == jti, Session.revoked_at.is_(None), Account.disabled_at.is_(None))
        )
        row = found.first()
        return (row[0], row[1]) if row is not None else None

    async def revoke(self, jti: UUID, now: datetime) -> bool:
        """False where it had ended already."""
        done = await self._session.execute(
            update(Session)
            .where(Session.jti == jti, Session.revoked_at.is_(None))
            .values(revoked_at=now)
            .returning(Session.jti)
        )
        return done.first() is not None

    async def revoke_all(self, account_id: UUID, now: datetime) -> None:
        await self._session.execute(
            update(Session).where(Session.account_id == account_id, Session.revoked_at.is_(None)).values(revoked_at=now)
        )

    async def delete_expired(self, before: datetime) -> None:
        over = select(Session.jti).where(Session.expires_at < before).order_by(Session.expires_at).limit(_MOST_OVER)
        free = await self._session.scalars(over.with_for_update(skip_locked=True))
        await self._session.execute(delete(Session).where(Session.jti.in_(free.all())))


class LoginFailureRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def lock(self, subject: str, address: str) -> None:
        """One judgement of the pair at a time."""
        await lock_name(self._session, "login", subject, address)

    async def list_times(self, subject: str, address: str, now: datetime) -> Sequence[datetime]:
        """The newest failures of the pair that can still matter, newest first."""
        found = (
            select(LoginFailure.failed_at)
            .where(
                LoginFailure.subject == subject,
                LoginFailure.address == address,
                LoginFailure.failed_at > now - MEMORY,
            )
            .order_by(LoginFailure.failed_at.desc())
            .limit(FAILURES)
        )
        return (await self._session.scalars(found)).all()

    async def add(self, failure: LoginFailure) -> None:
        """Also forgets everybody's failures that matter no more."""
        over = select(LoginFailure.id).where(LoginFailure.failed_at <= failure.failed_at - MEMORY)
        oldest = over.order_by(LoginFailure.failed_at).limit(_MOST_OVER)
        free = await self._session.scalars(oldest.with_for_update(skip_locked=True))
        await self._session.execute(delete(LoginFailure).where(LoginFailure.id.in_(free.all())))
        self._session.add(failure)

    async def clear(self, subject: str, address: str) -> None:
        await self._session.execute(
            delete(LoginFailure).where(LoginFailure.subject == subject, LoginFailure.address == address)
        )
