"""Tells an operator that something is wrong, once, and once that it is over.

No photo waits for it: everything but the row of a raised alert happens in the maintenance loops.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from photochanger.adapters.db.session import Database
from photochanger.adapters.storage.store import ObjectStore, StorageUnavailable
from photochanger.adapters.webhook import Webhook
from photochanger.core.clock import Clock
from photochanger.core.ids import new_id
from photochanger.features.alerts.models import AlertMessage
from photochanger.features.alerts.repository import AlertRepository
from photochanger.features.stats.service import StatsService

Kind = Literal["failures", "store", "budget"]

LEAST_PHOTOS = 5
FAILING_SHARE = 0.1
_SPAN = timedelta(minutes=15)
_SYSTEM = "system"
_STORE_IS_BACK = timedelta(seconds=90)
"""No process found it down for so long: replicas that disagree do not tell both in turn."""
_CHECK_SECONDS = 10.0
_LEASE = timedelta(seconds=60)
"""For one try; a process that dies meanwhile leaves it to another."""
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 5, 3600

log = structlog.get_logger()


class AlertService:
    """Without a webhook nothing is watched and nothing is kept."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        stats: StatsService,
        store: ObjectStore,
        webhook: Webhook | None,
        budget_is_spent: Callable[[str], Awaitable[bool]],
    ) -> None:
        """`budget_is_spent` asks for a slot."""
        self._database = database
        self._clock = clock
        self._stats = stats
        self._store = store
        self._webhook = webhook
        self._budget_is_spent = budget_is_spent

    async def raise_alert(self, kind: Kind, subject: str, text: str, **detail: Any) -> None:
        """Tells it where it is not told yet. `text` is a sentence for a person; `detail` goes into the document."""
        if self._webhook is None:
            return
        now = self._clock.now()
        alert_id = new_id(now)
        async with self._database.write() as session:
            if await AlertRepository(session).raise_alert(alert_id, kind, subject, now):
                self._tell(session, alert_id, "raised", kind=kind, subject=subject, text=text, **detail)
                log.warning("alert.raised", kind=kind, subject=subject)

    async def end_alert(self, kind: Kind, subject: str, text: str, *, unseen_for: timedelta = timedelta()) -> None:
        """Tells that it is over where it was told, and nobody raised it again within `unseen_for`."""
        if self._webhook is None:
            return
        now = self._clock.now()
        async with self._database.write() as session:
            ended = await AlertRepository(session).end_alert(kind, subject, now - unseen_for)
            if ended is not None:
                alert_id, raised_at = ended
                since = raised_at.isoformat()
                self._tell(session, alert_id, "over", kind=kind, subject=subject, text=text, raised_at=since)
                log.info("alert.ended", kind=kind, subject=subject)

    def _tell(self, session: AsyncSession, alert_id: UUID, state: str, **members: Any) -> None:
        now = self._clock.now()
        document = {"id": str(alert_id), "state": state, "at": now.isoformat(), **members}
        AlertRepository(session).add_message(document, now)

    async def watch(self) -> None:
        """Looks at everything that can be looked at. That a budget is used up is told by who meets it, first."""
        if self._webhook is None:
            return
        await self._watch_failures()
        await self._watch_store()
        await self._watch_budgets()

    async def _watch_failures(self) -> None:
        photos, failed = await self._stats.count_failing(_SPAN)
        minutes = f"in the last {_SPAN.seconds // 60} minutes"
        if photos >= LEAST_PHOTOS and failed > FAILING_SHARE * photos:
            text = f"{failed} of {photos} photos {minutes} got no answer in time, or an error of the server."
            await self.raise_alert("failures", _SYSTEM, text, photos=photos, failed=failed)
        else:
            await self.end_alert("failures", _SYSTEM, f"{failed} of {photos} photos failed {minutes}.")

    async def _watch_store(self) -> None:
        name = self._store.name
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await self._store.check()
        except (StorageUnavailable, TimeoutError) as error:
            reason = error.reason if isinstance(error, StorageUnavailable) else "no answer"
            await self.raise_alert("store", name, f"The photos' store cannot be used: {reason}.")
        else:
            await self.end_alert("store", name, "The photos' store works again.", unseen_for=_STORE_IS_BACK)

    async def _watch_budgets(self) -> None:
        """A new day or month has begun, or somebody raised it."""
        async with self._database.read() as session:
            slot_ids = await AlertRepository(session).list_subjects("budget")
        for slot_id in slot_ids:
            if not await self._budget_is_spent(slot_id):
                await self.end_alert("budget", slot_id, "The slot may spend again.")

    async def deliver(self) -> None:
        """Sends what is due, the oldest first; behind one that is not taken the others wait."""
        if self._webhook is None:
            return
        while (message := await self._claim()) is not None:
            refused = await self._webhook.post(message.document)
            async with self._database.write() as session:
                if refused is None:
                    await AlertRepository(session).delete_message(message.id)
                    continue
                kept = await AlertRepository(session).find_message(message.id)
                if kept is not None:
                    kept.next_try_at = self._clock.now() + _pause(kept.try_count)
            log.warning("alert.not_delivered", reason=refused, try_count=message.try_count)
            return

    async def _claim(self) -> AlertMessage | None:
        """The first message where it is due; nobody else sends it meanwhile."""
        now = self._clock.now()
        async with self._database.write() as session:
            message = await AlertRepository(session).find_first_message()
            if message is None or message.next_try_at > now:
                return None
            message.next_try_at = now + _LEASE
            message.try_count += 1
            return message


def _pause(try_count: int) -> timedelta:
    return timedelta(seconds=min(_FIRST_PAUSE_SECONDS * 2 ** min(try_count - 1, 20), _LONGEST_PAUSE_SECONDS))
