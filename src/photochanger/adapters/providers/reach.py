"""Where a driver may connect to: what keeps a vendor's answer, or a name's owner, from leading us into our own network.

The address that was checked is the one that is connected to: a name cannot mean something else a moment later.
"""

import asyncio
import socket
from collections.abc import Collection
from concurrent.futures import Future
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from threading import Thread

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

_DEFAULT_PORT = 443
_PUBLIC_V6 = ip_network("2000::/3")
"""What of IPv6 is handed out on the public internet."""
_NAT64 = ip_network("64:ff9b::/96")
"""Where networks without IPv4 find its addresses: the private ones, too."""


class OutOfReach(Exception):  # noqa: N818 – named for the fact
    """The text names the host and what to do, and no path."""


class PrivateAddress(OSError):  # noqa: N818
    """The name leads into a private network; raised by the resolver, so it comes as aiohttp's connection error."""


class Reach:
    """`allowed` are PROVIDER_ALLOWED_HOSTS: names, addresses, or either with a port, lower case."""

    def __init__(self, allowed: Collection[str] = ()) -> None:
        self._allowed = frozenset(allowed)

    def check(self, url: URL, own_hosts: Collection[str]) -> None:
        """Raises OutOfReach unless `url` is at an allowed host, or an https address of the vendor's own.

        A host of `own_hosts` stands for the hosts below it, too. What names resolve to is the resolver's to check.
        """
        host = (url.host or "").rstrip(".").lower()
        if url.scheme not in ("http", "https") or not host or url.user is not None or url.password is not None:
            raise OutOfReach("the address is no plain http or https address")
        if self._is_allowed(host, url.port):
            return
        is_own = any(host == own or host.endswith(f".{own}") for own in own_hosts)
        if not is_own:
            raise OutOfReach(f"{host} is none of the vendor's hosts and not in PROVIDER_ALLOWED_HOSTS")
        if url.scheme != "https" or url.port != _DEFAULT_PORT or is_private(host):
            raise OutOfReach(
                f"{host} needs a line in PROVIDER_ALLOWED_HOSTS for http, another port or a private address"
            )

    def resolver(self) -> AbstractResolver:
        """Has to be asked for inside the event loop."""
        return _CheckedResolver(self)

    def _is_allowed(self, host: str, port: int | None) -> bool:
        return host in self._allowed or f"{host}:{port}" in self._allowed

    def may_be_private(self, host: str, port: int) -> bool:
        return self._is_allowed(host.rstrip(".").lower(), port)


def is_private(host: str) -> bool:
    """Whether `host` is an address that is not of the public internet; False for a name."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = IPv4Address(address.packed[-4:])
        if inner is None:
            return address not in _PUBLIC_V6 or not address.is_global
        address = inner
    return not address.is_global or address.is_multicast


class _CheckedResolver(AbstractResolver):
    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await _looked_up(host, port, family)
        if not self._reach.may_be_private(host, port) and any(is_private(each["host"]) for each in found):
            raise PrivateAddress(f"{host} leads into a private network")
        return found

    async def close(self) -> None:
        pass


async def _looked_up(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    """In a thread of its own, that nothing waits for: without a network the system's resolver hangs for half a minute,
    and files and the database need the event loop's few threads. There are as many as names: aiohttp asks each once.
    """
    answer: Future[list[ResolveResult]] = Future()
    answer.set_running_or_notify_cancel()

    def look() -> None:
        try:
            answer.set_result(_addresses(host, port, family))
        except Exception as failure:  # noqa: BLE001 – raised where it is awaited
            answer.set_exception(failure)

    Thread(target=look, name=f"name of {host}", daemon=True).start()
    return await asyncio.wrap_future(answer)


def _addresses(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [
        ResolveResult(
            hostname=host,
            host=str(address[0]),
            port=port,
            family=kind,
            proto=protocol,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for kind, _, protocol, _, address in found
    ]
