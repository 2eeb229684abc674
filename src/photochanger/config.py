"""The settings a process is started with: read once, frozen, every mistake reported at once.

The only module that reads the environment. What an administrator may change while the server runs is
`features/settings`; this holds its defaults. Reading has no other effect: no folder and no secret is made here.
"""

import os
import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, ValidationInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from photochanger.adapters.storage.names import checked_prefix

Network = IPv4Network | IPv6Network
T = TypeVar("T")
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_DATABASE_OPTIONS = {"sslmode": "ssl", "ssl": "ssl", "host": "host"}
"""What may follow `?`, and asyncpg's word for it."""
_SIGNING_KEY_BYTES = 32
_TOKEN_CHARACTERS = 16


class ConfigError(Exception):
    """`mistakes` holds one sentence for each wrong variable, without the value of any secret."""

    def __init__(self, mistakes: list[str]) -> None:
        self.mistakes = mistakes
        super().__init__("\n".join(mistakes))


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _origin(text: str) -> str:
    """The origin as a browser spells it, so that it can be compared with an Origin header."""
    parts = urlsplit(text.removesuffix("/"))
    scheme = parts.scheme.lower()
    if scheme not in _DEFAULT_PORTS or not re.fullmatch(rf"{_HOST}(?::[0-9]{{1,5}})?", parts.netloc):
        raise ValueError
    if parts.path or parts.query or parts.fragment or text.endswith(("?", "#")):
        raise ValueError
    port = parts.port
    suffix = "" if port in (None, _DEFAULT_PORTS[scheme]) else f":{port}"
    host = re.sub(r":[0-9]+$", "", parts.netloc).lower()
    return f"{scheme}://{host}{suffix}"


def _database(text: str) -> str:
    """The address with the driver that is used."""
    if found := re.fullmatch(r"sqlite(?:\+aiosqlite)?:///(?!:memory:)([^?]+)", text):
        return f"sqlite+aiosqlite:///{found[1]}"
    try:
        url = make_url(text)
    except ArgumentError:
        raise ValueError from None
    is_known = url.drivername in {"postgresql", "postgresql+asyncpg"} and url.query.keys() <= _DATABASE_OPTIONS.keys()
    if not is_known or not url.database:
        raise ValueError
    query = {_DATABASE_OPTIONS[name]: value for name, value in url.query.items()}
    return url.set(drivername="postgresql+asyncpg", query=query).render_as_string(hide_password=False)


def _database_in(values: dict[str, Any]) -> str:
    return URL.create("sqlite+aiosqlite", database=f"{values['data_dir']}/photochanger.db").render_as_string()


def _signing_key(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value().encode()) < _SIGNING_KEY_BYTES:
        raise ValueError
    return secret


def _bearer_token(secret: SecretStr) -> SecretStr:
    if not re.fullmatch(rf"[!-~]{{{_TOKEN_CHARACTERS},}}", secret.get_secret_value()):
        raise ValueError
    return secret


def _networks(raw: object) -> object:
    return tuple(ip_network(part.strip(), strict=False) for part in raw.split(",")) if isinstance(raw, str) else raw


def _lower(raw: object) -> object:
    return raw.lower() if isinstance(raw, str) else raw


def _variable(name: str, description: str, *, must: str, default: Any = None, secret: bool = False, **more: Any) -> Any:
    """A field fed by the variable `name`; `must` finishes the sentence "it must be …" for whoever got it wrong."""
    if "default_factory" not in more:
        more["default"] = default
    extra: dict[str, Any] = {"must": must, "secret": secret}
    return Field(validation_alias=name, description=description, repr=not secret, json_schema_extra=extra, **more)


def _whole(name: str, description: str, *, default: int, low: int, high: int) -> Any:
    must = f"a whole number from {low} to {high}"
    return _variable(name, description, must=must, default=default, ge=low, le=high)


def _s3_address(text: str) -> str:
    """With or without a scheme; no path, since addressing decides what comes behind the host."""
    found = re.fullmatch(rf"(?:(https?)://)?({_HOST}(?::[0-9]{{1,5}})?)/?", text, re.IGNORECASE)
    if not found:
        raise ValueError
    return f"{found[1].lower()}://{found[2]}" if found[1] else found[2]


def _s3_prefix(text: str) -> str:
    if text and not text.endswith("/"):
        raise ValueError
    return checked_prefix(text)


def _needed_by_s3(value: T, found: ValidationInfo) -> T:
    if value is None and found.data.get("media_storage_provider") == "s3":
        raise ValueError
    return value


def _for_s3(name: str, description: str, *, must: str = "set", secret: bool = False) -> Any:
    must = f"{must} where MEDIA_STORAGE_PROVIDER is s3"
    return _variable(name, description, must=must, secret=secret, validate_default=True)


_ADDRESS = "like s3.example.com:9000 or https://s3.example.com, without a path"
S3Address = Annotated[Annotated[str, AfterValidator(_s3_address)] | None, AfterValidator(_needed_by_s3)]
S3Bucket = Annotated[
    Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{2,62}$")] | None, AfterValidator(_needed_by_s3)
]
S3Secret = Annotated[SecretStr | None, AfterValidator(_needed_by_s3)]


class Config(BaseSettings):
    """What `load_config` found. Secrets are SecretStr, or left out of the repr."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", case_sensitive=True, env_ignore_empty=True)

    data_dir: Annotated[Path, AfterValidator(_absolute)] = _variable(
        "PHOTOCHANGER_DATA_DIR",
        "Folder for the embedded database, the photos and the generated secrets",
        must="the path of a folder",
        default=Path("data"),
        validate_default=True,
    )
    database_url: Annotated[str, AfterValidator(_database)] = _variable(
        "DATABASE_URL",
        "A PostgreSQL, like `postgresql://USER:PASSWORD@HOST/NAME`; without it, a file in the data directory",
        must="like postgresql://USER:PASSWORD@HOST/NAME (`?sslmode=` may follow), or a file like "
        "sqlite+aiosqlite:////srv/photochanger/photochanger.db",
        secret=True,
        default_factory=_database_in,
    )
    public_base_url: Annotated[str, AfterValidator(_origin)] | None = _variable(
        "PUBLIC_BASE_URL",
        "Address that links begin with; without it, the request's own Host when that is this machine",
        must="like https://photos.example.com, without a path",
    )
    media_storage_provider: Literal["local", "s3"] = _variable(
        "MEDIA_STORAGE_PROVIDER",
        "Where photos are kept: `local` is a folder in the data directory, `s3` a bucket of an S3 server",
        must="local or s3",
        default="local",
    )
    s3_endpoint: S3Address = _for_s3("S3_ENDPOINT", "Address of the S3 server, with or without a scheme", must=_ADDRESS)
    s3_presign_endpoint: Annotated[str, AfterValidator(_s3_address)] | None = _variable(
        "S3_PRESIGN_ENDPOINT", "Address of the S3 server in links for guests; without it, `S3_ENDPOINT`", must=_ADDRESS
    )
    s3_bucket: S3Bucket = _for_s3("S3_BUCKET", "The bucket, which this installation has to itself", must="a name")
    s3_prefix: Annotated[str, AfterValidator(_s3_prefix)] = _variable(
        "S3_PREFIX",
        "Beginning of every key, where several installations share a bucket",
        must="folder names, each followed by a slash, like studio-1/",
        default="",
    )
    s3_region: str = _variable("S3_REGION", "Region the bucket lies in", must="a name", default="us-east-1")
    s3_access_key: S3Secret = _for_s3("S3_ACCESS_KEY", "Key that the S3 server knows this product by", secret=True)
    s3_secret_key: S3Secret = _for_s3("S3_SECRET_KEY", "Secret that belongs to `S3_ACCESS_KEY`", secret=True)
    s3_use_ssl: bool = _variable(
        "S3_USE_SSL", "Whether S3 addresses without a scheme are https", must="true or false", default=True
    )
    s3_addressing: Literal["path", "virtual", "auto"] = _variable(
        "S3_ADDRESSING",
        "Where requests name the bucket: `path`, `virtual` (in the host's name) or `auto`",
        must="path, virtual or auto",
        default="path",
    )
    s3_upload_memory_mb: int = _whole(
        "S3_UPLOAD_MEMORY_MB", "MiB that all uploads to S3 share, 8–4096", default=128, low=8, high=4096
    )
    media_presigned_expires_seconds: int = _whole(
        "MEDIA_PRESIGNED_EXPIRES_SECONDS",
        "Seconds a link to the S3 server lives at most, 1–604800",
        default=900,
        low=1,
        high=604_800,
    )
    jwt_signing_key: Annotated[SecretStr, AfterValidator(_signing_key)] | None = _variable(
        "JWT_SIGNING_KEY",
        "Secret that signs sessions, 32 bytes or more; without it, one is made at the first start and kept",
        must=f"at least {_SIGNING_KEY_BYTES} bytes long",
        secret=True,
    )
    jwt_signing_key_previous: Annotated[SecretStr, AfterValidator(_signing_key)] | None = _variable(
        "JWT_SIGNING_KEY_PREVIOUS",
        "A second key whose sessions are accepted while the signing key is exchanged; it signs nothing",
        must=f"at least {_SIGNING_KEY_BYTES} bytes long",
        secret=True,
    )
    runtime_credentials_file: Annotated[Path, AfterValidator(_absolute)] | None = _variable(
        "RUNTIME_CREDENTIALS_FILE",
        "JSON file with accounts and provider keys, read again when it changes",
        must="the path of a file",
    )
    sync_response_seconds: int = _whole(
        "SYNC_RESPONSE_SECONDS", "The window: seconds a sender waits for the photo, 10–60", default=50, low=10, high=60
    )
    result_ttl_hours: int = _whole("RESULT_TTL_HOURS", "Hours a result lives, 1–720", default=72, low=1, high=720)
    upload_limit_mb: int = _whole("UPLOAD_LIMIT_MB", "Largest photo in MiB, 1–2048", default=50, low=1, high=2048)
    rate_limit_ingest_rps: float = _variable(
        "RATE_LIMIT_INGEST_RPS",
        "Photos a second that all slots together accept for long",
        must="a number above 0",
        default=20.0,
        gt=0,
        allow_inf_nan=False,
    )
    rate_limit_ingest_burst: int = _variable(
        "RATE_LIMIT_INGEST_BURST",
        "Photos all slots together accept at once",
        must="a whole number of at least 1",
        default=100,
        ge=1,
    )
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)] = _variable(
        "TRUSTED_PROXIES",
        "Addresses or networks, separated by commas, whose `X-Forwarded-*` headers are believed",
        must="addresses or networks separated by commas, like 10.0.0.5,192.168.0.0/16",
        default=(),
    )
    metrics_token: Annotated[SecretStr, AfterValidator(_bearer_token)] | None = _variable(
        "METRICS_TOKEN",
        "Bearer token for `/metrics`, 16 characters or more; without it, only this machine may read them",
        must=f"at least {_TOKEN_CHARACTERS} visible ASCII characters",
        secret=True,
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = _variable(
        "LOG_LEVEL",
        "Least severe log line written: `debug`, `info`, `warning` or `error`",
        must="debug, info, warning or error",
        default="info",
    )
    log_format: Annotated[Literal["console", "json"], BeforeValidator(_lower)] = _variable(
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
