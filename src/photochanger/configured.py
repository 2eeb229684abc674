"""Adapters and defaults as a configuration asks for them."""

from photochanger.adapters.coordination.notices import Notices
from photochanger.adapters.db.notices import PostgresNotices
from photochanger.adapters.db.session import Database
from photochanger.adapters.storage.links import LinkSigner
from photochanger.adapters.storage.local import LocalStore
from photochanger.adapters.storage.s3 import S3Store
from photochanger.adapters.storage.s3_client import S3Settings
from photochanger.adapters.storage.store import ObjectStore
from photochanger.adapters.webhook import Webhook
from photochanger.config import Config
from photochanger.core.clock import Clock
from photochanger.core.limits import MIB
from photochanger.features.settings.schemas import Settings


def make_store(config: Config, clock: Clock, links: LinkSigner) -> ObjectStore:
    if config.media_storage_provider == "s3":
        return S3Store(s3_settings(config), clock=clock)
    return LocalStore(config.data_dir / "media", clock=clock, links=links)


def make_webhook(config: Config) -> Webhook | None:
    url = config.alert_webhook_url
    return Webhook(url.get_secret_value(), config.provider_allowed_hosts) if url else None


def s3_settings(config: Config) -> S3Settings:
    """Of a configuration whose provider is `s3`, which has these members."""
    if not (config.s3_endpoint and config.s3_bucket and config.s3_access_key and config.s3_secret_key):
        raise ValueError("not configured for S3")

    def address(text: str) -> str:
        return text if "://" in text else f"{'https' if config.s3_use_ssl else 'http'}://{text}"

    return S3Settings(
        endpoint=address(config.s3_endpoint),
        presign_endpoint=address(config.s3_presign_endpoint or config.s3_endpoint),
        bucket=config.s3_bucket,
        region=config.s3_region,
        access_key=config.s3_access_key.get_secret_value(),
        secret_key=config.s3_secret_key.get_secret_value(),
        addressing=config.s3_addressing,
        prefix=config.s3_prefix,
        presign_seconds=config.media_presigned_expires_seconds,
        budget_bytes=config.s3_upload_memory_mb * MIB,
    )


def notices_on(database: Database) -> Notices:
    return Notices() if database.engine.dialect.name == "sqlite" else PostgresNotices(database.engine)


def default_settings(config: Config, cores: int) -> Settings:
    """What holds until an administrator saves something else."""
    return Settings(
        sync_response_seconds=config.sync_response_seconds,
        result_ttl_hours=config.result_ttl_hours,
        upload_limit_mb=config.upload_limit_mb,
        ingest_rps=config.rate_limit_ingest_rps,
        ingest_burst=config.rate_limit_ingest_burst,
        provider_concurrency={"darkroom": cores},
    )
