"""Puts the services together, without their HTTP: what `app.py` serves and the command line works with."""

import os
from collections.abc import AsyncIterator, Iterable
from functools import cached_property

from photochanger.adapters.coordination.breaker import Breakers
from photochanger.adapters.coordination.places import Places
from photochanger.adapters.coordination.rate import Rates
from photochanger.adapters.coordination.tally import Tally
from photochanger.adapters.credentials_file import CredentialsFile
from photochanger.adapters.db.engine import create_engine
from photochanger.adapters.db.session import Database
from photochanger.adapters.imaging.imaging import Imaging
from photochanger.adapters.passwords import Passwords, VerifiedPasswords
from photochanger.adapters.providers.darkroom import Darkroom
from photochanger.adapters.providers.driver import Driver
from photochanger.adapters.providers.registry import Providers
from photochanger.adapters.secrets import derive, load_or_create
from photochanger.adapters.storage.examination import Examination
from photochanger.adapters.storage.links import LinkSigner
from photochanger.adapters.storage.s3 import S3Store
from photochanger.adapters.storage.s3_admin import S3Examination, prepare
from photochanger.adapters.storage.store import ObjectStore
from photochanger.config import Config
from photochanger.configured import default_settings, make_store, make_webhook, notices_on
from photochanger.core.clock import Clock, SystemClock
from photochanger.core.paging import Cursors
from photochanger.features.accounts.service import AccountService
from photochanger.features.alerts.service import AlertService
from photochanger.features.audit.service import AuditService
from photochanger.features.galleries.service import GalleryService
from photochanger.features.ingest.answers import Answers
from photochanger.features.ingest.chain import ChainRunner
from photochanger.features.ingest.finish import Finish
from photochanger.features.ingest.opening import Opening
from photochanger.features.ingest.run import JobRunner
from photochanger.features.ingest.service import IngestService
from photochanger.features.ingest.templates import TemplateService
from photochanger.features.jobs.runners import RunnerRegistry
from photochanger.features.jobs.service import JobService
from photochanger.features.maintenance.doctor import Doctor
from photochanger.features.maintenance.reconcile import Reconciler
from photochanger.features.maintenance.service import Maintenance
from photochanger.features.media.delivery import Delivery
from photochanger.features.media.retention import Retention
from photochanger.features.media.service import MediaService
from photochanger.features.prices.service import PriceService
from photochanger.features.settings.service import SettingsService
from photochanger.features.slots.access import GalleryAccess
from photochanger.features.slots.service import SlotService
from photochanger.features.stats.ledger import Ledger
from photochanger.features.stats.rollup import Rollup
from photochanger.features.stats.service import StatsService
from photochanger.web.hosts import Addresses


class Parts:
    """Every service of one process, each made when it is first asked for.

    `base_url` is where the process listens, for links of requests whose Host is nobody's.
    """

    def __init__(
        self,
        config: Config,
        *,
        store: ObjectStore | None = None,
        providers: Iterable[Driver] | None = None,
        clock: Clock | None = None,
        imaging: Imaging | None = None,
        base_url: str = "http://127.0.0.1:8000",
    ) -> None:
        os.umask(0o077)  # database, photos and secrets are this user's alone
        config.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.config = config
        self.clock = clock or SystemClock()
        self.cores = os.cpu_count() or 1
        key = config.jwt_signing_key
        self._signing_key = (
            key.get_secret_value().encode() if key else load_or_create(config.data_dir, "jwt_signing_key")
        )
        self.addresses = Addresses(
            config.public_base_url, default_base_url=base_url, trusted_proxies=config.trusted_proxies
        )
        self.links = LinkSigner(
            derive(self._signing_key, "store links"), lambda: self.addresses.public_base_url or base_url
        )
        self.store = store or make_store(config, self.clock, self.links)
        self.database = Database(create_engine(config.database_url))
        self.imaging = imaging or Imaging(workers=self.cores, scratch=config.data_dir / "scratch")
        self.providers = Providers([Darkroom(self.imaging)] if providers is None else providers)
        self.passwords = Passwords()
        self.verified = VerifiedPasswords(self.passwords, self.clock)
        self.rates = Rates(self.clock)
        self.places = Places()
        self.receiving = Tally()
        self.breakers = Breakers(self.clock)
        self.notices = notices_on(self.database)
        self.cursors = Cursors(derive(self._signing_key, "cursors"))
        self.access = GalleryAccess(derive(self._signing_key, "gallery pins"))
        self.credentials_file = CredentialsFile(config.runtime_credentials_file)

    def examination(self) -> Examination:
        if isinstance(self.store, S3Store):
            return S3Examination(self.store, self.clock)
        return Examination(self.store, self.clock)

    async def prepare_store(self) -> AsyncIterator[str]:
        """What was done, a sentence at a time; safe to repeat."""
        if not isinstance(self.store, S3Store):
            yield "A folder needs no preparation."
            return
        async for sentence in prepare(self.store, self.config.public_base_url):
            yield sentence

    async def close(self) -> None:
        await self.imaging.close()
        for driver in self.providers:
            await driver.close()
        await self.store.close()
        self.passwords.close()
        await self.database.close()

    @cached_property
    def accounts(self) -> AccountService:
        previous = self.config.jwt_signing_key_previous
        keys = [self._signing_key, *([previous.get_secret_value().encode()] if previous else [])]
        return AccountService(self.database, self.clock, self.passwords, keys, self.credentials_file)

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
    def retention(self) -> Retention:
        return Retention(store=self.store, database=self.database, clock=self.clock)

    @cached_property
    def delivery(self) -> Delivery:
        return Delivery(media=self.media, retention=self.retention, clock=self.clock)

    @cached_property
    def galleries(self) -> GalleryService:
        return GalleryService(
            database=self.database,
            clock=self.clock,
            slots=self.slots,
            retention=self.retention,
            passwords=self.passwords,
            rates=self.rates,
        )

    @cached_property
    def runner(self) -> JobRunner:
        return JobRunner(
            media=self.media,
            imaging=self.imaging,
            chain=ChainRunner(
                providers=self.providers,
                imaging=self.imaging,
                places=self.places,
                breakers=self.breakers,
                clock=self.clock,
            ),
            places=self.places,
            finish=Finish(
                database=self.database,
                clock=self.clock,
                media=self.media,
                retention=self.retention,
                notices=self.notices,
            ),
        )

    @cached_property
    def ingests(self) -> IngestService:
        return IngestService(
            clock=self.clock,
            settings=self.settings,
            slots=self.slots,
            jobs=self.jobs,
            media=self.media,
            opening=Opening(
                database=self.database, clock=self.clock, media=self.media, runner_id=self.runners.runner_id
            ),
            runner=self.runner,
            rates=self.rates,
            notices=self.notices,
            receiving=self.receiving,
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
        )

    @cached_property
    def templates(self) -> TemplateService:
        return TemplateService(database=self.database, clock=self.clock, media=self.media, imaging=self.imaging)

    @cached_property
    def answers(self) -> Answers:
        return Answers(self.media, self.delivery, self.galleries)

    @cached_property
    def reconciler(self) -> Reconciler:
        return Reconciler(
            database=self.database, clock=self.clock, store=self.store, runners=self.runners, notices=self.notices
        )

    @cached_property
    def maintenance(self) -> Maintenance:
        return Maintenance(
            clock=self.clock,
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
            data_dir=self.config.data_dir,
            public_base_url=self.config.public_base_url,
        )
