"""What a serving process does beside serving: it beats, follows outside changes, forgets, reconciles, counts, warns."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from photochanger.adapters.credentials_file import CredentialsFile, CredentialsFileBroken
from photochanger.adapters.db.session import DatabaseUnavailable
from photochanger.core.clock import Clock
from photochanger.core.errors import Problem
from photochanger.features.accounts.service import AccountService
from photochanger.features.alerts.service import AlertService
from photochanger.features.clock.service import ClockWatch
from photochanger.features.jobs.runners import BEAT_SECONDS, RunnerRegistry
from photochanger.features.maintenance.reconcile import Reconciler
from photochanger.features.media.retention import Retention
from photochanger.features.settings.service import SettingsService
from photochanger.features.stats.rollup import Rollup

_FOLLOW_SECONDS = 1.0
_RECONCILE_SECONDS = 60.0
_WHOLE_STORE_SECONDS = 3600.0
_DELIVER_SECONDS = 5.0
_WATCH_SECONDS = 30.0

log = structlog.get_logger()


class Maintenance:
    def __init__(
        self,
        *,
        clock: Clock,
        clock_watch: ClockWatch,
        runners: RunnerRegistry,
        reconciler: Reconciler,
        retention: Retention,
        settings: SettingsService,
        accounts: AccountService,
        credentials_file: CredentialsFile,
        rollup: Rollup,
        alerts: AlertService,
    ) -> None:
        self._clock = clock
        self._clock_watch = clock_watch
        self._runners = runners
        self._reconciler = reconciler
        self._retention = retention
        self._settings = settings
        self._accounts = accounts
        self._credentials_file = credentials_file
        self._rollup = rollup
        self._alerts = alerts
        self._cleaned = clock.monotonic()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Closes what a dead process left running, then runs the loops until the block ends."""
        await self._clock_watch.keep()
        await self._accounts.sync_credentials_file()
        await self._runners.start()
        await self._reconciler.close_interrupted()
        loops = [
            asyncio.create_task(_every(seconds, work, first=0 if work == self._reconcile else seconds))
            for seconds, work in (
                (_FOLLOW_SECONDS, self._follow_credentials),
                (BEAT_SECONDS, self._runners.beat),
                (_RECONCILE_SECONDS, self._clock_watch.keep),
                (_RECONCILE_SECONDS, self._reconcile),
                (_RECONCILE_SECONDS, self._clean_when_due),
                (_WHOLE_STORE_SECONDS, self._reconcile_whole_store),
                (_RECONCILE_SECONDS, self._rollup.roll_up),
                (_WATCH_SECONDS, self._alerts.watch),
                (_DELIVER_SECONDS, self._alerts.deliver),
            )
        ]
        try:
            yield
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
            await self._retention.settled()
            await self._stop()

    async def _stop(self) -> None:
        try:
            await self._runners.stop()
        except DatabaseUnavailable:  # then the next start takes this one for a dead one, which it may
            log.warning("runner.not_deregistered")

    async def _follow_credentials(self) -> None:
        if self._credentials_file.changed():
            try:
                await self._accounts.sync_credentials_file()
            except CredentialsFileBroken as broken:
                log.error("credentials_file.broken", reason=str(broken))  # noqa: TRY400 – the reason says it all

    async def _reconcile(self) -> None:
        await self._reconciler.reconcile(whole_store=False)

    async def _reconcile_whole_store(self) -> None:
        await self._reconciler.reconcile(whole_store=True)

    async def _clean_when_due(self) -> None:
        settings = await self._settings.current()
        if (
            settings.cleanup_enabled
            and self._clock.monotonic() - self._cleaned >= settings.cleanup_interval_minutes * 60
        ):
            await self._retention.evict_expired()
            self._cleaned = self._clock.monotonic()


async def _every(seconds: float, work: Callable[[], Awaitable[None]], *, first: float) -> None:
    """One failure must not end the loop: the database or the store may be back at the next turn."""
    wait = first
    while True:
        await asyncio.sleep(wait)
        wait = seconds
        try:
            await work()
        except Problem as problem:
            log.warning("maintenance.failed", work=work.__name__, code=problem.code)
        except Exception:
            log.exception("maintenance.crashed", work=work.__name__)
