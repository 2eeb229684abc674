"""One request to a vendor: pooled, bounded in time and size, and every way it can fail told by a ProviderError.

Does not decide whether to ask again: the window does. Nothing of a request or an answer is logged.
"""

import asyncio
import errno
import math
import socket
import zlib
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
from aiohttp import AddrInfoType
from msgspec import Struct
from yarl import URL

from photochanger.adapters.providers.driver import (
    BadAnswer,
    BadConfiguration,
    Interrupted,
    Silent,
    TimedOut,
    Unreachable,
)
from photochanger.adapters.providers.reach import OutOfReach, PrivateAddress, Reach
from photochanger.core.clock import Clock
from photochanger.core.limits import KIB, MIB

ANSWER_BYTES = 64 * MIB
_CONNECT_SECONDS = 2.0
"""Name, TCP and TLS. A line that takes longer is as good as cut: the next step has to answer."""
_SUSPECT_SECONDS = 5.0
"""For so long after one vendor's line was silent it may be the venue's: the next vendor's has to be quick."""
_QUICK_SECONDS = 0.8
_WATCH = {"TCP_KEEPIDLE": 1, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 2, "TCP_USER_TIMEOUT": 2500}
"""A line is cut on which the other end acknowledges nothing for three seconds, not even the kernel's probes.

Shorter would cut lines that are only crowded. Linux also cuts one whose other end acknowledges but has no room: who
reads nothing of a large photo for so long is told as silent, too. Where a system lacks an option, a silent line is
a vendor that hangs.
"""
_CHUNK_BYTES = 256 * KIB
_MAY_BE_PACKED = {"gzip", "x-gzip", "deflate"}
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


class Answer(Struct, frozen=True):
    status: int
    headers: Mapping[str, str]
    """Names in any case."""
    body: bytes

    def document(self) -> dict[str, Any]:
        """The body as a JSON object. BadAnswer where it is none."""
        try:
            found = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise BadAnswer("the answer is no JSON, or was cut short") from None
        if not isinstance(found, dict):
            raise BadAnswer("the answer is no JSON object")
        return found


class VendorHttp:
    """Shared by the drivers. Its session is made when it is first used: a process is put together before its loop."""

    def __init__(self, clock: Clock, allowed_hosts: Collection[str] = ()) -> None:
        self._clock = clock
        self._reach = Reach(allowed_hosts)
        self._session: aiohttp.ClientSession | None = None
        self._silent_at = -math.inf

    def after(self, seconds: float) -> float:
        """The deadline so many seconds from now."""
        return self._clock.monotonic() + seconds

    async def ask(
        self,
        method: str,
        url: URL,
        *,
        own_hosts: Collection[str],
        deadline: float,
        max_bytes: int = ANSWER_BYTES,
        headers: Mapping[str, str] | None = None,
        body: bytes | aiohttp.FormData | None = None,
    ) -> Answer:
        """The whole answer, whatever its status; a redirect is not followed. Raises a ProviderError.

        `deadline` is the clock's monotonic time. Cancelling closes the connection.
        """
        try:
            self._reach.check(url, own_hosts)
        except OutOfReach as reason:
            raise BadConfiguration(str(reason)) from None
        async with self.until(deadline):
            return await self._exchange(method, url, max_bytes, headers=headers, data=body)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def until(self, deadline: float) -> AsyncIterator[None]:
        """Raises TimedOut when the deadline comes first."""
        seconds = max(0.0, deadline - self._clock.monotonic())
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            raise TimedOut(f"no whole answer within {seconds:.1f} s") from None

    async def _exchange(self, method: str, url: URL, max_bytes: int, **options: Any) -> Answer:
        host = url.host
        session = self._opened()
        is_suspect = self._clock.monotonic() - self._silent_at < _SUSPECT_SECONDS
        timeout = aiohttp.ClientTimeout(total=None, connect=_QUICK_SECONDS if is_suspect else _CONNECT_SECONDS)
        try:
            async with session.request(method, url, allow_redirects=False, timeout=timeout, **options) as response:
                self._silent_at = -math.inf
                return Answer(response.status, response.headers, await _read(response, max_bytes))
        except aiohttp.ConnectionTimeoutError:
            self._silent_at = self._clock.monotonic()
            raise Unreachable(f"{host} took too long to connect to") from None
        except aiohttp.ClientSSLError:  # also what a hotel's sign-in page answers with
            raise Unreachable(f"{host} shows no certificate that can be trusted") from None
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, PrivateAddress):
                raise BadConfiguration(f"{error.os_error}; allow it in PROVIDER_ALLOWED_HOSTS") from None
            raise Unreachable(f"no connection to {host}: {_why(error)}") from None
        except aiohttp.ClientResponseError:
            raise BadAnswer("the answer is no HTTP") from None
        except aiohttp.ClientPayloadError:
            raise BadAnswer("the answer was cut short") from None
        except aiohttp.ClientError as error:  # its text may hold the address
            if isinstance(error, OSError) and error.errno == errno.ETIMEDOUT:
                self._silent_at = self._clock.monotonic()
                raise Silent(f"the line to {host} is silent") from None
            raise Interrupted(f"the connection to {host} broke: {type(error).__name__}") from None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # How many calls run at once is for the places to say.
                connector=aiohttp.TCPConnector(
                    limit=0, resolver=self._reach.resolver(), socket_factory=_watched_socket
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "photochanger", "Accept-Encoding": "identity"},
                auto_decompress=False,
                max_field_size=32 * KIB,
            )
        return self._session


def _watched_socket(address: AddrInfoType) -> socket.socket:
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _WATCH.items():
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made


async def _read(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """The body, unpacked; BadAnswer as soon as it is over `max_bytes`, however small it travelled."""
    unpack = _unpacker(response.headers.get("Content-Encoding", "identity").lower())
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        try:
            body += unpack.decompress(chunk, max_bytes + 1 - len(body)) if unpack else chunk
        except zlib.error:
            raise BadAnswer("the answer cannot be unpacked") from None
        if len(body) > max_bytes:
            raise BadAnswer(f"the answer is larger than {max_bytes // MIB} MiB")
    return bytes(body)


def _unpacker(encoding: str) -> Any:
    if encoding == "identity":
        return None
    if encoding not in _MAY_BE_PACKED:
        raise BadAnswer("the answer is packed in a way nobody asked for")
    return zlib.decompressobj(_GZIP_OR_ZLIB)


def _why(error: aiohttp.ClientConnectorError) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name does not resolve"
    return error.os_error.strerror or "refused"
