"""Puts the services together, without their HTTP: what `app.py` serves and the command line works with."""

from functools import cached_property

from photochanger.adapters.secrets import load_or_create
from photochanger.configured import default_settings, make_webhook
from photochanger.core.drain import Drain
from photochanger.features.accounts.service import AccountService
from photochanger.features.alerts.service import AlertService
from photochanger.features.audit.service import AuditService
from photochanger.features.clock.service import ClockWatch
from photochanger.features.galleries.service import GalleryService
from photochanger.features.ingest.answers import Answers
from photochanger.features.ingest.budget import Budgets
from photochanger.features.ingest.call import Calls
from photochanger.features.ingest.chain import ChainRunner
from photochanger.features.ingest.finish import Finish
from photochanger.features.ingest.opening import Opening
from photochanger.features.ingest.rerun import RerunService
from photochanger.features.ingest.run import JobRunner
from photochanger.features.ingest.service import IngestService
from photochanger.features.ingest.templates import TemplateService
from photochanger.features.ingest.trial import TrialService
from photochanger.features.jobs.runners import RunnerRegistry
from photochanger.features.jobs.service import JobService
from photochanger.features.maintenance.doctor import Doctor
from photochanger.features.maintenance.reconcile import Reconciler
from photochanger.features.maintenance.service import Maintenance
from photochanger.features.media.delivery import Delivery
from photochanger.features.media.inputs import Inputs
from photochanger.features.media.retention import Retention
from photochanger.features.media.service import MediaService
from photochanger.features.prices.service import PriceService
from photochanger.features.settings.service import SettingsService
from photochanger.features.slots.service import SlotService
from photochanger.features.stats.ledger import Ledger
from photochanger.features.stats.rollup import Rollup
from photochanger.features.stats.service import StatsService
from photochanger.foundation import Foundation


class Parts(Foundation):
    """Every service of one process, each made when it is first asked for."""

    @cached_property
    def accounts(self) -> AccountService:
        previous = self.config.jwt_signing_key_previous
        keys = [self.signing_key, *([previous.get_secret_value().encode()] if previous else [])]
        return AccountService(self.database, self.clock, self.passwords, keys, self.credentials_file)

    @cached_property
    def clock_watch(self) -> ClockWatch:
        return ClockWatch(self.database, self.clock)

    @cached_property
    def audit(self) -> AuditService:
        return AuditService(self.database, self.cursors)

    @cached_property
    def settings(self) -> SettingsService:
        return SettingsService(
            self.database, self.clock, default_settings(self.config, self.cores), self.providers.names
        )

    @cached_property
    def slots(self) -> SlotService:
        return SlotService(
            database=self.database,
            clock=self.clock,
            settings=self.settings,
            passwords=self.passwords,
            verified=self.verified,
            rates=self.rates,
            check_step=self.providers.check_step,
            template_exists=self.media.has_template,
        )

    @cached_property
    def runners(self) -> RunnerRegistry:
        home = load_or_create(self.config.data_dir, "home", 8).hex()
        return RunnerRegistry(self.database, self.clock, self.config.data_dir / "runners", home=home)

    @cached_property
    def jobs(self) -> JobService:
        return JobService(self.database, self.clock, self.cursors)

    @cached_property
    def media(self) -> MediaService:
        return MediaService(
            store=self.store, database=self.database, clock=self.clock, runner_id=self.runners.runner_id
        )

    @cached_property
    def inputs(self) -> Inputs:
        return Inputs(media=self.media, clock=self.clock, links=self.input_links)

    @cached_property
    def retention(self) -> Retention:
        return Retention(store=self.store, database=self.database, clock=self.clock, clock_watch=self.clock_watch)

    @cached_property
    def delivery(self) -> Delivery:
        seconds = self.config.media_presigned_expires_seconds if self.image_hosts else None
        return Delivery(media=self.media, retention=self.retention, clock=self.clock, link_seconds=seconds)

    @cached_property
    def galleries(self) -> GalleryService:
        return GalleryService(
            database=self.database,
            clock=self.clock,
            slots=self.slots,
            retention=self.retention,
            passwords=self.passwords,
        )

    @cached_property
    def runner(self) -> JobRunner:
        return JobRunner(
            media=self.media,
            imaging=self.imaging,
            chain=ChainRunner(
                Calls(providers=self.providers, imaging=self.imaging, places=self.places, clock=self.clock),
                providers=self.providers,
                breakers=self.breakers,
                clock=self.clock,
            ),
            places=self.places,
            inputs=self.inputs,
            prices=self.prices,
            budgets=self.budgets,
            clock=self.clock,
            finish=Finish(
                database=self.database,
                clock=self.clock,
                media=self.media,
                retention=self.retention,
                notices=self.notices,
            ),
        )

    @cached_property
    def drain(self) -> Drain:
        return Drain(self.clock)

    @cached_property
    def ingests(self) -> IngestService:
        return IngestService(
            clock=self.clock,
            settings=self.settings,
            slots=self.slots,
            jobs=self.jobs,
            media=self.media,
            opening=self.opening,
            runner=self.runner,
            rates=self.rates,
            notices=self.notices,
            receiving=self.receiving,
            drain=self.drain,
        )

    @cached_property
    def opening(self) -> Opening:
        return Opening(database=self.database, clock=self.clock, media=self.media, runner_id=self.runners.runner_id)

    @cached_property
    def reruns(self) -> RerunService:
        return RerunService(
            clock=self.clock,
            settings=self.settings,
            slots=self.slots,
            jobs=self.jobs,
            media=self.media,
            opening=self.opening,
            runner=self.runner,
            drain=self.drain,
        )

    @cached_property
    def trials(self) -> TrialService:
        return TrialService(
            clock=self.clock,
            settings=self.settings,
            slots=self.slots,
            media=self.media,
            opening=self.opening,
            runner=self.runner,
            drain=self.drain,
        )

    @cached_property
    def budgets(self) -> Budgets:
        return Budgets(
            jobs=self.jobs,
            settings=self.settings,
            slots=self.slots,
            clock=self.clock,
            raise_alert=self.alerts.raise_alert,
        )

    @cached_property
    def prices(self) -> PriceService:
        return PriceService(self.database, self.clock)

    @cached_property
    def stats(self) -> StatsService:
        return StatsService(
            database=self.database,
            clock=self.clock,
            slots=self.slots,
            places=self.places,
            receiving=self.receiving,
        )

    @cached_property
    def rollup(self) -> Rollup:
        return Rollup(self.database, self.clock)

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.settings, self.prices, self.jobs, self.rollup)

    @cached_property
    def alerts(self) -> AlertService:
        return AlertService(
            database=self.database,
            clock=self.clock,
            stats=self.stats,
            store=self.store,
            webhook=make_webhook(self.config),
            budget_is_spent=self._budget_is_spent,
        )

    async def _budget_is_spent(self, slot_id: str) -> bool:
        return await self.budgets.is_spent(slot_id)  # looked up late: budgets and alerts know each other

    @cached_property
    def templates(self) -> TemplateService:
        return TemplateService(
            database=self.database, clock=self.clock, media=self.media, imaging=self.imaging, drain=self.drain
        )

    @cached_property
    def answers(self) -> Answers:
        return Answers(self.media, self.delivery, self.galleries)

    @cached_property
    def reconciler(self) -> Reconciler:
        return Reconciler(
            database=self.database,
            clock=self.clock,
            clock_watch=self.clock_watch,
            store=self.store,
            runners=self.runners,
            notices=self.notices,
        )

    @cached_property
    def maintenance(self) -> Maintenance:
        return Maintenance(
            clock=self.clock,
            clock_watch=self.clock_watch,
            runners=self.runners,
            reconciler=self.reconciler,
            retention=self.retention,
            settings=self.settings,
            accounts=self.accounts,
            credentials_file=self.credentials_file,
            rollup=self.rollup,
            alerts=self.alerts,
        )

    @cached_property
    def doctor(self) -> Doctor:
        return Doctor(
            database=self.database,
            store=self.store,
            clock=self.clock,
            clock_watch=self.clock_watch,
            data_dir=self.config.data_dir,
            public_base_url=self.config.public_base_url,
        )
