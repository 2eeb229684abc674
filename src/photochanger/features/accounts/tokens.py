"""The signed half of a session: a JWT. Whether its session is still alive is the database's to say."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

import jwt
import msgspec
from jwt.utils import base64url_encode
from msgspec import Struct

from photochanger.core.clock import Clock
from photochanger.core.errors import Problem
from photochanger.core.ids import parse_id

LIFE: Final = timedelta(hours=12)
LEEWAY: Final = timedelta(seconds=60)
"""How far the clocks of two machines may differ."""

_ALGORITHM = "HS256"
_KEY_BYTES = 32
_LENGTH = 2048
_SCHEME = "Bearer "
# Times are checked below, against the injected clock.
_OPTIONS: Any = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False}


class Claims(Struct, frozen=True):
    sub: str
    jti: str
    iat: int
    exp: int
    iss: Literal["photochanger"] = "photochanger"
    aud: Literal["photochanger-api"] = "photochanger-api"

    @property
    def account_id(self) -> UUID:
        return parse_id(self.sub, missing="login-required")

    @property
    def session_id(self) -> UUID:
        return parse_id(self.jti, missing="login-required")


class _SentClaims(Claims, frozen=True):
    """`iss` and `aud` are required of a token, where ours has them anyway."""

    iss: Literal["photochanger"]
    aud: Literal["photochanger-api"]


class Tokens:
    """Signs with the first of `keys`; accepts what any of them signed, so that a key can be exchanged in service."""

    def __init__(self, keys: Sequence[bytes], clock: Clock) -> None:
        if any(len(key) < _KEY_BYTES for key in keys):
            raise ValueError(f"a signing key must have at least {_KEY_BYTES} bytes")
        self._keys = tuple(keys)
        self._clock = clock

    def issue(self, *, account_id: UUID, jti: UUID, now: datetime) -> str:
        issued = int(now.timestamp())
        claims = Claims(str(account_id), str(jti), issued, issued + int(LIFE.total_seconds()))
        return jwt.encode(msgspec.to_builtins(claims), self._keys[0], _ALGORITHM)

    def read(self, authorization: str | None) -> Claims:
        """The claims of an `Authorization` header; `login-required` for anything but a token of ours in its time."""
        if authorization is None or authorization[: len(_SCHEME)].lower() != _SCHEME.lower():
            raise Problem("login-required")
        token = authorization[len(_SCHEME) :]
        try:
            claims = self._verified(token)
        except (jwt.InvalidTokenError, msgspec.ValidationError, UnicodeError):
            raise Problem("login-required") from None
        now = self._clock.now().timestamp()
        leeway = LEEWAY.total_seconds()
        if now >= claims.exp + leeway or claims.iat > now + leeway:
            raise Problem("login-required")
        return claims

    def _verified(self, token: str) -> Claims:
        if len(token) > _LENGTH:
            raise jwt.InvalidTokenError
        found = self._decoded(token)
        # Headers like kid, jku or crit have no meaning here; a second spelling of the same signature neither.
        is_plain = found["header"] == {"alg": _ALGORITHM, "typ": "JWT"}
        if not is_plain or token.rpartition(".")[2] != base64url_encode(found["signature"]).decode():
            raise jwt.InvalidTokenError
        return msgspec.convert(found["payload"], _SentClaims, strict=True)

    def _decoded(self, token: str) -> dict[str, Any]:
        *others, last = self._keys
        for key in others:
            with suppress(jwt.InvalidSignatureError):
                return _decode(token, key)
        return _decode(token, last)


def _decode(token: str, key: bytes) -> dict[str, Any]:
    return jwt.decode_complete(token, key, algorithms=[_ALGORITHM], options=_OPTIONS, issuer="photochanger")
