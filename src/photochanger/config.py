"""The settings a process is started with: read once, frozen, every mistake reported at once.

The only module that reads the environment. What an administrator may change while the server runs is
`features/settings`; this holds its defaults. Reading has no other effect: no folder and no secret is made here.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from photochanger.adapters.providers import gemini, openai, turbotext
from photochanger.config_values import (
    IN_ANY_CASE,
    S3_ADDRESS,
    SIGNING_KEY_BYTES,
    TOKEN_CHARACTERS,
    ApiKey,
    BearerToken,
    DatabaseUrl,
    Folder,
    Hosts,
    ModelName,
    Networks,
    Origin,
    S3Address,
    S3Bucket,
    S3Host,
    S3Prefix,
    S3Secret,
    SigningKey,
    VendorAddress,
    WebhookUrl,
    api_key,
    database_in,
    for_s3,
    model_name,
    variable,
    vendor_address,
    whole,
)


class ConfigError(Exception):
    """`mistakes` holds one sentence for each wrong variable, without the value of any secret."""

    def __init__(self, mistakes: list[str]) -> None:
        self.mistakes = mistakes
        super().__init__("\n".join(mistakes))


class Config(BaseSettings):
    """What `load_config` found. Secrets are SecretStr, or left out of the repr."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", case_sensitive=True, env_ignore_empty=True)

    data_dir: Folder = variable(
        "PHOTOCHANGER_DATA_DIR",
        "Folder for the embedded database, the photos and the generated secrets",
        must="the path of a folder",
        default=Path("data"),
        validate_default=True,
    )
    database_url: DatabaseUrl = variable(
        "DATABASE_URL",
        "A PostgreSQL, like `postgresql://USER:PASSWORD@HOST/NAME`; without it, a file in the data directory",
        must="like postgresql://USER:PASSWORD@HOST/NAME (`?sslmode=` may follow), or a file like "
        "sqlite+aiosqlite:////srv/photochanger/photochanger.db",
        secret=True,
        default_factory=database_in,
    )
    public_base_url: Origin | None = variable(
        "PUBLIC_BASE_URL",
        "Address that links begin with; without it, the request's own Host when that is this machine",
        must="like https://photos.example.com, without a path",
    )
    media_storage_provider: Literal["local", "s3"] = variable(
        "MEDIA_STORAGE_PROVIDER",
        "Where photos are kept: `local` is a folder in the data directory, `s3` a bucket of an S3 server",
        must="local or s3",
        default="local",
    )
    s3_endpoint: S3Address = for_s3(
        "S3_ENDPOINT", "Address of the S3 server, with or without a scheme", must=S3_ADDRESS
    )
    s3_presign_endpoint: S3Host | None = variable(
        "S3_PRESIGN_ENDPOINT",
        "Address of the S3 server in links for guests; without it, `S3_ENDPOINT`",
        must=S3_ADDRESS,
    )
    s3_bucket: S3Bucket = for_s3("S3_BUCKET", "The bucket, which this installation has to itself", must="a name")
    s3_prefix: S3Prefix = variable(
        "S3_PREFIX",
        "Beginning of every key, where several installations share a bucket",
        must="folder names, each followed by a slash, like studio-1/",
        default="",
    )
    s3_region: str = variable("S3_REGION", "Region the bucket lies in", must="a name", default="us-east-1")
    s3_access_key: S3Secret = for_s3("S3_ACCESS_KEY", "Key that the S3 server knows this product by", secret=True)
    s3_secret_key: S3Secret = for_s3("S3_SECRET_KEY", "Secret that belongs to `S3_ACCESS_KEY`", secret=True)
    s3_use_ssl: bool = variable(
        "S3_USE_SSL", "Whether S3 addresses without a scheme are https", must="true or false", default=True
    )
    s3_addressing: Literal["path", "virtual", "auto"] = variable(
        "S3_ADDRESSING",
        "Where requests name the bucket: `path`, `virtual` (in the host's name) or `auto`",
        must="path, virtual or auto",
        default="path",
    )
    s3_upload_memory_mb: int = whole(
        "S3_UPLOAD_MEMORY_MB", "MiB that all uploads to S3 share, 8–4096", default=128, low=8, high=4096
    )
    media_presigned_expires_seconds: int = whole(
        "MEDIA_PRESIGNED_EXPIRES_SECONDS",
        "Seconds a link to the S3 server lives at most, 1–604800",
        default=900,
        low=1,
        high=604_800,
    )
    delivery: Literal["proxy", "redirect"] = variable(
        "DELIVERY",
        "How visitors get photos: `proxy` through this server; `redirect` by short-lived links to the S3 server, where "
        "the gallery is open (a folder is always `proxy`)",
        must="proxy or redirect",
        default="proxy",
    )
    jwt_signing_key: SigningKey | None = variable(
        "JWT_SIGNING_KEY",
        "Secret that signs sessions, 32 bytes or more; without it, one is made at the first start and kept",
        must=f"at least {SIGNING_KEY_BYTES} bytes long",
        secret=True,
    )
    jwt_signing_key_previous: SigningKey | None = variable(
        "JWT_SIGNING_KEY_PREVIOUS",
        "A second key whose sessions are accepted while the signing key is exchanged; it signs nothing",
        must=f"at least {SIGNING_KEY_BYTES} bytes long",
        secret=True,
    )
    runtime_credentials_file: Folder | None = variable(
        "RUNTIME_CREDENTIALS_FILE",
        "JSON file with accounts and provider keys, read again when it changes",
        must="the path of a file",
    )
    gemini_api_key: ApiKey | None = api_key("GEMINI_API_KEY", "Google Gemini")
    gemini_base_url: VendorAddress = vendor_address("GEMINI_BASE_URL", "Google Gemini", gemini.BASE_URL)
    gemini_model: ModelName = model_name("GEMINI_MODEL", "Google Gemini", gemini.MODEL)
    turbotext_api_key: ApiKey | None = api_key("TURBOTEXT_API_KEY", "Turbotext")
    turbotext_base_url: VendorAddress = vendor_address("TURBOTEXT_BASE_URL", "Turbotext", turbotext.BASE_URL)
    openai_api_key: ApiKey | None = api_key("OPENAI_API_KEY", "OpenAI or whoever speaks like it")
    openai_base_url: VendorAddress = vendor_address(
        "OPENAI_BASE_URL", "OpenAI or whoever speaks like it", openai.BASE_URL
    )
    openai_model: ModelName = model_name("OPENAI_MODEL", "OpenAI or whoever speaks like it", openai.MODEL)
    provider_allowed_hosts: Hosts = variable(
        "PROVIDER_ALLOWED_HOSTS",
        "Hosts, separated by commas, that providers may be called at and link to over http, at any port, in the own "
        "network; without it, only https to the vendors’ own hosts",
        must="names or addresses separated by commas, like vendors,10.0.0.5",
        default=(),
    )
    sync_response_seconds: int = whole(
        "SYNC_RESPONSE_SECONDS", "The window: seconds a sender waits for the photo, 10–60", default=50, low=10, high=60
    )
    result_ttl_hours: int = whole("RESULT_TTL_HOURS", "Hours a result lives, 1–720", default=72, low=1, high=720)
    upload_limit_mb: int = whole("UPLOAD_LIMIT_MB", "Largest photo in MiB, 1–2048", default=50, low=1, high=2048)
    rate_limit_ingest_rps: float = variable(
        "RATE_LIMIT_INGEST_RPS",
        "Photos a second that all slots together accept for long",
        must="a number above 0",
        default=20.0,
        gt=0,
        allow_inf_nan=False,
    )
    rate_limit_ingest_burst: int = variable(
        "RATE_LIMIT_INGEST_BURST",
        "Photos all slots together accept at once",
        must="a whole number of at least 1",
        default=100,
        ge=1,
    )
    trusted_proxies: Networks = variable(
        "TRUSTED_PROXIES",
        "Addresses or networks, separated by commas, whose `X-Forwarded-*` headers are believed",
        must="addresses or networks separated by commas, like 10.0.0.5,192.168.0.0/16",
        default=(),
    )
    metrics_token: BearerToken | None = variable(
        "METRICS_TOKEN",
        "Bearer token for `/metrics`, 16 characters or more; without it, only this machine may read them",
        must=f"at least {TOKEN_CHARACTERS} visible ASCII characters",
        secret=True,
    )
    alert_webhook_url: WebhookUrl | None = variable(
        "ALERT_WEBHOOK_URL",
        "Address that alerts are posted to as JSON; one in a private network needs `PROVIDER_ALLOWED_HOSTS`",
        must="an address like https://chat.example.com/hooks/photos",
        secret=True,
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], IN_ANY_CASE] = variable(
        "LOG_LEVEL",
        "Least severe log line written: `debug`, `info`, `warning` or `error`",
        must="debug, info, warning or error",
        default="info",
    )
    log_format: Annotated[Literal["console", "json"], IN_ANY_CASE] = variable(
        "LOG_FORMAT", "Shape of log lines: `console` or `json`", must="console or json", default="console"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 – the library's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """`load_config` hands the environment in, so that a test's environment is the whole one."""
        return init_settings, dotenv_settings, file_secret_settings


def load_config(environ: Mapping[str, str] | None = None, *, env_file: str | Path | None = ".env") -> Config:
    """The settings of the environment, then of `env_file`, then of secret files, then the defaults.

    Empty values count as absent, empty secret files do not. A secret file is named like its variable and lies in the
    folder that systemd and our image call `CREDENTIALS_DIRECTORY`.
    """
    environ = os.environ if environ is None else environ
    folder = environ.get("CREDENTIALS_DIRECTORY")
    names = (str(field.validation_alias) for field in Config.model_fields.values())
    try:
        values: dict[str, Any] = {name: environ[name] for name in names if environ.get(name)}
        values["_env_file"] = env_file
        values["_secrets_dir"] = folder if folder and Path(folder).is_dir() else None
        return Config(**values)
    except ValidationError as error:
        raise ConfigError([_sentence(wrong) for wrong in error.errors()]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{env_file} cannot be read: {type(error).__name__}"]) from None
    except SettingsError as error:
        source = getattr(error.__cause__, "filename", None) or f"a secret in {folder}"
        raise ConfigError([f"{source} cannot be read: {type(error.__cause__).__name__}"]) from None


def _sentence(wrong: ErrorDetails) -> str:
    """One mistake for a person. A secret's value is never part of it."""
    place = str(wrong["loc"][0])  # the variable, or the field where nothing was given
    names = {field: str(found.validation_alias) for field, found in Config.model_fields.items()}
    name = names.get(place, place)
    extra = next(field.json_schema_extra for field in Config.model_fields.values() if field.validation_alias == name)
    if not isinstance(extra, dict):
        raise TypeError(name)
    value = "cannot be used" if extra["secret"] else f"is {str(wrong['input'])[:80]}"
    if wrong["input"] is None:
        value = "is missing"
    return f"{name} {value}; it must be {extra['must']}"
