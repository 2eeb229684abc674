"""The settings a process is started with: read once, frozen, every mistake reported at once.

The only module that reads the environment. What an administrator may change while the server runs is
`features/settings`; this holds its defaults. Reading has no other effect: no folder and no secret is made here.
"""

import os
import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError
from sqlalchemy import URL

Network = IPv4Network | IPv6Network
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
_DEFAULT_PORTS = {"http": 80, "https": 443}
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


def _sqlite(text: str) -> str:
    found = re.fullmatch(r"sqlite(?:\+aiosqlite)?:///(?!:memory:)([^?]+)", text)
    if not found:
        raise ValueError
    return f"sqlite+aiosqlite:///{found[1]}"


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
    database_url: Annotated[str, AfterValidator(_sqlite)] = _variable(
        "DATABASE_URL",
        "The database; without it, the file `photochanger.db` in the data directory",
        must="a file, like sqlite+aiosqlite:////srv/photochanger/photochanger.db (no other database is supported yet)",
        secret=True,
        default_factory=_database_in,
    )
    public_base_url: Annotated[str, AfterValidator(_origin)] | None = _variable(
        "PUBLIC_BASE_URL",
        "Address that links begin with; without it, the request's own Host when that is this machine",
        must="like https://photos.example.com, without a path",
    )
    media_storage_provider: Literal["local"] = _variable(
        "MEDIA_STORAGE_PROVIDER",
        "Where photos are kept: `local` is a folder in the data directory",
        must="local (other stores are not supported yet)",
        default="local",
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
    name = str(wrong["loc"][0])
    extra = next(field.json_schema_extra for field in Config.model_fields.values() if field.validation_alias == name)
    if not isinstance(extra, dict):
        raise TypeError(name)
    value = "cannot be used" if extra["secret"] else f"is {str(wrong['input'])[:80]}"
    return f"{name} {value}; it must be {extra['must']}"
