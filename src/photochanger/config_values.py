"""What the text of one variable may be, and how a field says so. `config.py` puts them together."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo
from pydantic_settings import NoDecode
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from photochanger.adapters.storage.names import checked_prefix

Network = IPv4Network | IPv6Network
T = TypeVar("T")
SIGNING_KEY_BYTES = 32
TOKEN_CHARACTERS = 16
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_DATABASE_OPTIONS = {"sslmode": "ssl", "ssl": "ssl", "host": "host"}
"""What may follow `?`, and asyncpg's word for it."""


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


def database_in(values: dict[str, Any]) -> str:
    return URL.create("sqlite+aiosqlite", database=f"{values['data_dir']}/photochanger.db").render_as_string()


def _signing_key(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value().encode()) < SIGNING_KEY_BYTES:
        raise ValueError
    return secret


def _bearer_token(secret: SecretStr) -> SecretStr:
    if not re.fullmatch(rf"[!-~]{{{TOKEN_CHARACTERS},}}", secret.get_secret_value()):
        raise ValueError
    return secret


def _api_key(secret: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]+", secret.get_secret_value()):
        raise ValueError
    return secret


def _webhook_url(secret: SecretStr) -> SecretStr:
    """Http or https to a host; path and query are often the secret that lets one in."""
    parts = urlsplit(secret.get_secret_value())
    if parts.scheme not in _DEFAULT_PORTS or not re.fullmatch(rf"{_HOST}(?::[0-9]{{1,5}})?", parts.netloc):
        raise ValueError
    return secret


def _vendor_address(text: str) -> str:
    if not re.fullmatch(rf"https?://{_HOST}(?::[0-9]{{1,5}})?(?:/[A-Za-z0-9._~-]+)*/?", text, re.IGNORECASE):
        raise ValueError
    return text.rstrip("/")


def _hosts(raw: object) -> object:
    """Lower case, an IPv6 address without its brackets, as an address is taken apart."""
    if not isinstance(raw, str):
        return raw
    hosts = [part.strip().lower() for part in raw.split(",")]
    if not all(re.fullmatch(rf"{_HOST}(?::[0-9]{{1,5}})?|[0-9a-f:]+", host) for host in hosts):
        raise ValueError
    return tuple(re.sub(r"[\[\]]", "", host) for host in hosts)


def _networks(raw: object) -> object:
    return tuple(ip_network(part.strip(), strict=False) for part in raw.split(",")) if isinstance(raw, str) else raw


def _lower(raw: object) -> object:
    return raw.lower() if isinstance(raw, str) else raw


def variable(name: str, description: str, *, must: str, default: Any = None, secret: bool = False, **more: Any) -> Any:
    """A field fed by the variable `name`; `must` finishes the sentence "it must be …" for whoever got it wrong."""
    if "default_factory" not in more:
        more["default"] = default
    extra: dict[str, Any] = {"must": must, "secret": secret}
    return Field(validation_alias=name, description=description, repr=not secret, json_schema_extra=extra, **more)


def whole(name: str, description: str, *, default: int, low: int, high: int) -> Any:
    must = f"a whole number from {low} to {high}"
    return variable(name, description, must=must, default=default, ge=low, le=high)


def api_key(name: str, vendor: str) -> Any:
    description = f"Key for {vendor}; one in `RUNTIME_CREDENTIALS_FILE` comes before it"
    return variable(name, description, must="visible ASCII characters", secret=True)


def vendor_address(name: str, vendor: str, default: str) -> Any:
    must = "like https://api.example.com or https://api.example.com/v1"
    return variable(name, f"Where {vendor} is called", must=must, default=default)


def model_name(name: str, vendor: str, default: str) -> Any:
    description = f"Model of {vendor} for steps that name none"
    return variable(name, description, must="the name of a model", default=default)


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


def for_s3(name: str, description: str, *, must: str = "set", secret: bool = False) -> Any:
    must = f"{must} where MEDIA_STORAGE_PROVIDER is s3"
    return variable(name, description, must=must, secret=secret, validate_default=True)


S3_ADDRESS = "like s3.example.com:9000 or https://s3.example.com, without a path"
S3Host = Annotated[str, AfterValidator(_s3_address)]
S3Address = Annotated[S3Host | None, AfterValidator(_needed_by_s3)]
S3Bucket = Annotated[
    Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{2,62}$")] | None, AfterValidator(_needed_by_s3)
]
S3Secret = Annotated[SecretStr | None, AfterValidator(_needed_by_s3)]
Folder = Annotated[Path, AfterValidator(_absolute)]
DatabaseUrl = Annotated[str, AfterValidator(_database)]
Origin = Annotated[str, AfterValidator(_origin)]
SigningKey = Annotated[SecretStr, AfterValidator(_signing_key)]
BearerToken = Annotated[SecretStr, AfterValidator(_bearer_token)]
Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)]
ApiKey = Annotated[SecretStr, AfterValidator(_api_key)]
VendorAddress = Annotated[str, AfterValidator(_vendor_address)]
ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@-]{0,99}$")]
WebhookUrl = Annotated[SecretStr, AfterValidator(_webhook_url)]
Hosts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_hosts)]
S3Prefix = Annotated[str, AfterValidator(_s3_prefix)]
IN_ANY_CASE = BeforeValidator(_lower)
