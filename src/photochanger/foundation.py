"""What the services stand on: adapters of one process, made at once. `assembly.py` puts the services on it."""

import os
from collections.abc import AsyncIterator, Iterable

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
from photochanger.cloud import cloud_drivers
from photochanger.config import Config
from photochanger.configured import make_store, notices_on
from photochanger.core.clock import Clock, SystemClock
from photochanger.core.paging import Cursors
from photochanger.features.media.inputs import INPUT_PATH
from photochanger.features.slots.access import GalleryAccess
from photochanger.web.hosts import Addresses


class Foundation:
    """`base_url` is where the process listens, for links of requests whose Host is nobody's."""

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
        self.signing_key = (
            key.get_secret_value().encode() if key else load_or_create(config.data_dir, "jwt_signing_key")
        )
        self.addresses = Addresses(
            config.public_base_url, default_base_url=base_url, trusted_proxies=config.trusted_proxies
        )
        self.links = LinkSigner(
            derive(self.signing_key, "store links"), lambda: self.addresses.public_base_url or base_url
        )
        self.input_links = LinkSigner(
            derive(self.signing_key, "input links"),
            lambda: self.addresses.public_base_url or base_url,
            path=INPUT_PATH,
        )
        self.store = store or make_store(config, self.clock, self.links)
        self.database = Database(create_engine(config.database_url))
        self.imaging = imaging or Imaging(workers=self.cores, scratch=config.data_dir / "scratch")
        self.credentials_file = CredentialsFile(config.runtime_credentials_file)
        cloud = cloud_drivers(config, self.credentials_file, self.clock)
        self.providers = Providers([Darkroom(self.imaging), *cloud] if providers is None else providers)
        self.passwords = Passwords()
        self.verified = VerifiedPasswords(self.passwords, self.clock)
        self.rates = Rates(self.clock)
        self.places = Places(self.rates)
        self.receiving = Tally()
        self.breakers = Breakers(self.clock)
        self.notices = notices_on(self.database)
        self.cursors = Cursors(derive(self.signing_key, "cursors"))
        self.access = GalleryAccess(derive(self.signing_key, "gallery pins"))

    @property
    def image_hosts(self) -> tuple[str, ...]:
        """Origins beside the product's own that visitors get photos from."""
        if isinstance(self.store, S3Store) and self.config.delivery == "redirect":
            return self.store.settings.link_origins
        return ()

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
