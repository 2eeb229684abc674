"""Sends one JSON document to an address that an administrator chose. The address never leaves this module.

The connection goes to the very address that was checked: a name cannot mean something else a moment later.
"""

from collections.abc import Collection, Mapping
from typing import Any

import aiohttp
from yarl import URL

from photochanger.adapters.providers.reach import PrivateAddress, Reach, is_private

_SECONDS = 10.0
_PRIVATE = "its address is in a private network"


class Webhook:
    """`allowed_hosts` are PROVIDER_ALLOWED_HOSTS: these alone may be in a private network, or be this machine."""

    def __init__(self, url: str, allowed_hosts: Collection[str] = ()) -> None:
        self._url = URL(url)
        self._reach = Reach(allowed_hosts)

    async def post(self, document: Mapping[str, Any]) -> str | None:
        """None where it was taken (2xx); else why not, in words without the address. A redirect is not followed."""
        host, port = self._url.host or "", self._url.port or 0
        if is_private(host) and not self._reach.may_be_private(host, port):  # no resolver is asked for a number
            return _PRIVATE
        try:
            async with (
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(resolver=self._reach.resolver()),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    timeout=aiohttp.ClientTimeout(total=_SECONDS),
                    headers={"User-Agent": "photochanger"},
                ) as session,
                session.post(self._url, json=document, allow_redirects=False) as answer,
            ):
                return None if answer.ok and answer.status < 300 else f"HTTP {answer.status}"  # noqa: PLR2004
        except aiohttp.ClientConnectorError as error:
            return _PRIVATE if isinstance(error.os_error, PrivateAddress) else type(error).__name__
        except (aiohttp.ClientError, OSError, ValueError) as error:  # their texts may hold the address
            return type(error).__name__
