"""The way to an S3 server: one client for a process, requests that are bounded in time and repeated where it helps."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, Literal, TypeVar

import aiobotocore.session
from aiobotocore.config import AioConfig
from aiohttp import ClientError as HttpError
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from photochanger.adapters.storage.s3_errors import MISSING, NO_BUCKET, S3Failed
from photochanger.adapters.storage.store import StorageUnavailable

REQUEST_SECONDS = 5.0
"""One small request with all its repetitions."""
PART_SECONDS = 30.0
"""One part with all its repetitions."""
GRACE_SECONDS = 3.0
_CONNECT_SECONDS = 2.0
_READ_SECONDS = 10.0
_TRIES = 4
_FIRST_PAUSE_SECONDS = 0.1
_CONNECTIONS = 200
_T = TypeVar("_T")
_FAILURES = (BotoCoreError, ClientError, HttpError, OSError)


class S3Settings(Struct, frozen=True):
    """`endpoint` and `presign_endpoint` are whole addresses; the latter is where visitors reach the store."""

    endpoint: str
    presign_endpoint: str
    bucket: str
    region: str
    access_key: str
    secret_key: str
    addressing: Literal["path", "virtual", "auto"] = "path"
    prefix: str = ""
    presign_seconds: int = 900
    budget_bytes: int = 128 * 1024 * 1024

    @property
    def link_origins(self) -> tuple[str, ...]:
        """Where links lead to: browsers want to know before they show a photo from there."""
        scheme, _, host = self.presign_endpoint.partition("://")
        if self.addressing == "path":
            return (self.presign_endpoint,)
        return (self.presign_endpoint, f"{scheme}://{self.bucket}.{host}")

    def __repr__(self) -> str:
        return f"S3Settings(bucket={self.bucket!r})"


class S3Client:
    """Made when it is first asked: a process is put together before its event loop runs."""

    def __init__(self, settings: S3Settings) -> None:
        self.settings = settings
        self._session = aiobotocore.session.get_session()
        self._opened = AsyncExitStack()
        self._opening = asyncio.Lock()
        self._clients: dict[str, Any] = {}

    async def at(self, endpoint: str) -> Any:
        async with self._opening:
            if endpoint not in self._clients:
                options = {
                    "endpoint_url": endpoint,
                    "region_name": self.settings.region,
                    "aws_access_key_id": self.settings.access_key,
                    "aws_secret_access_key": self.settings.secret_key,
                    "config": _config(self.settings),
                }
                client = self._session.create_client("s3", **options)
                self._clients[endpoint] = await self._opened.enter_async_context(client)
        return self._clients[endpoint]

    async def call(
        self,
        operation: str,
        *,
        seconds: float = REQUEST_SECONDS,
        body: Callable[[], object] | None = None,
        **parameters: Any,
    ) -> Any:
        """One request, repeated with growing, random pauses; S3Failed says what it came to. `body` is made anew."""
        try:
            async with asyncio.timeout(seconds):
                return await self._repeat(operation, body, {"Bucket": self.settings.bucket, **parameters})
        except TimeoutError as error:
            raise S3Failed(error) from None

    async def _repeat(self, operation: str, body: Callable[[], object] | None, parameters: dict[str, Any]) -> Any:
        tries = 0
        while True:
            try:
                request = getattr(await self.at(self.settings.endpoint), operation)
                return await request(**parameters, **({"Body": body()} if body else {}))
            except _FAILURES as error:
                failure = S3Failed(error)
                tries += 1
                if not failure.is_repeatable or tries == _TRIES:
                    raise failure from None  # the original names addresses
            await asyncio.sleep(_FIRST_PAUSE_SECONDS * 2**tries * random.uniform(0.3, 1))  # noqa: S311 – no secret

    async def require_bucket(self) -> None:
        """HEAD answers with a bare 404 for a missing object and for a missing bucket: this tells them apart."""
        try:
            await self.call("head_bucket")
        except S3Failed as failure:
            raise (StorageUnavailable(NO_BUCKET) if failure.server_code in MISSING else failure) from None

    async def close(self) -> None:
        self._clients.clear()
        await self._opened.aclose()


async def to_the_end(work: Coroutine[Any, Any, _T] | Awaitable[_T], grace_seconds: float = GRACE_SECONDS) -> _T:
    """What a server was asked to change is waited for even when cancelled, so that cleaning up never overtakes it."""
    running = asyncio.ensure_future(work)
    cancelled = None
    while not running.done():
        try:
            done, _ = await asyncio.wait({running}, timeout=grace_seconds if cancelled else None)
            if not done:
                running.cancel()
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled:
        if not running.cancelled():
            running.exception()
        raise cancelled
    return running.result()


def _config(settings: S3Settings) -> AioConfig:
    """Payloads carry a SHA-256 checksum in a signed header; signing the bytes themselves would hash them twice."""
    return AioConfig(
        signature_version="s3v4",
        s3={"addressing_style": settings.addressing, "payload_signing_enabled": False},
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        max_pool_connections=_CONNECTIONS,
        retries={"total_max_attempts": 1},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        warm_up_loader_caches=True,
        user_agent="photochanger",
    )
