"""Under which address a visitor reaches us, and from which address a caller comes.

Forwarding headers count only from proxies named in the configuration. A Host nobody here owns is never put in a link.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

import psutil
from litestar import Request
from litestar.types import Scope

from photochanger.core.errors import Problem

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253})(?::(?P<port>\d{1,5}))?")
_FORWARDING = frozenset({b"forwarded", b"via", b"x-real-ip", b"true-client-ip", b"cf-connecting-ip"})
_MAX_PORT = 65_535


def own_addresses() -> frozenset[str]:
    """The names and addresses of this machine, lower case, without zone."""
    hostname = socket.gethostname().lower()
    addresses = {
        entry.address.partition("%")[0].lower()
        for entries in psutil.net_if_addrs().values()
        for entry in entries
        if entry.family in (socket.AF_INET, socket.AF_INET6)
    }
    return frozenset(addresses | {"localhost", hostname, f"{hostname}.local"})


def lan_address() -> str | None:
    """The address of this machine for its neighbours, or None where it has no network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a datagram socket sends nothing: it only asks which way a packet would go (TEST-NET-1).
            probe.connect(("192.0.2.1", 9))
            found = _address(probe.getsockname()[0])
        except OSError:
            found = None
    if found is not None and not found.is_loopback and not found.is_unspecified:
        return str(found)
    candidates = (_address(text) for text in sorted(own_addresses()))
    usable = (each for each in candidates if isinstance(each, IPv4Address) and not each.is_loopback)
    return next((str(each) for each in usable if each.is_private and not each.is_link_local), None)


class Addresses:
    """`default_base_url` is where we listen: for requests whose Host is not ours to put in a link."""

    def __init__(
        self,
        public_base_url: str | None = None,
        *,
        default_base_url: str = "http://127.0.0.1:8000",
        trusted_proxies: Iterable[str | Network] = (),
        own: Callable[[], frozenset[str]] = own_addresses,
    ) -> None:
        self.public_base_url = public_base_url.rstrip("/") if public_base_url else None
        self.default_base_url = default_base_url.rstrip("/")
        self._trusted = tuple(ipaddress.ip_network(proxy, strict=False) for proxy in trusted_proxies)
        self._read_own = own
        self._own = own()

    def base_url(self, scope: Scope) -> str:
        """What an absolute link of the answer begins with, without a slash at its end."""
        name, authority = _host(scope)
        if self.public_base_url:
            return self.public_base_url
        if name is not None and self._is_own(name):
            return f"{self.scheme(scope)}://{authority}"
        return self.default_base_url

    def scheme(self, scope: Scope) -> str:
        """Either http or https, as the caller sees it."""
        said = _values(scope, b"x-forwarded-proto")
        if said and said[-1] in ("http", "https") and self._is_trusted(_peer(scope)):
            return said[-1]
        return "https" if scope["scheme"] == "https" else "http"

    def client(self, scope: Scope) -> str:
        """The caller's address: the nearest hop that is not a trusted proxy."""
        nearest = _peer(scope)
        for hop in reversed(_values(scope, b"x-forwarded-for")):
            if not self._is_trusted(nearest):
                break
            further = _address(hop)
            if further is None:
                break
            nearest = further
        return str(nearest) if nearest else "unknown"

    def _is_trusted(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._trusted)

    def _is_own(self, name: str) -> bool:
        address = _address(name)
        if address is not None and address.is_loopback:
            return True
        spelling = str(address or name)
        if spelling not in self._own:
            self._own = self._read_own()  # a laptop changes its network while it runs
        return spelling in self._own


def is_local(scope: Scope) -> bool:
    """Whether a program on this machine asks for itself, and not a proxy for somebody else."""
    peer = _peer(scope)
    forwarded = any(name in _FORWARDING or name.startswith(b"x-forwarded") for name, _ in scope["headers"])
    return peer is not None and peer.is_loopback and not forwarded


def refuse_insane_host(request: Request[Any, Any, Any]) -> None:
    """Before every handler, also those that make no link."""
    _host(request.scope)


def has_sane_host(scope: Scope) -> bool:
    try:
        _host(scope)
    except Problem:
        return False
    return True


def _host(scope: Scope) -> tuple[str | None, str]:
    """Name (lower case, no brackets) and authority of the Host header; (None, "") where there is none."""
    hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    if not hosts or hosts == [""]:
        return None, ""
    found = _HOST.fullmatch(hosts[0])
    if len(hosts) > 1 or found is None or int(found["port"] or 0) > _MAX_PORT:
        raise Problem("invalid-host")
    name = found["name"].lower()
    if name.startswith("[") and _address(name.strip("[]")) is None:
        raise Problem("invalid-host")
    return name.strip("[]"), hosts[0].lower()


def _values(scope: Scope, name: bytes) -> list[str]:
    joined = ",".join(value.decode("latin-1") for key, value in scope["headers"] if key == name)
    return [value.strip() for value in joined.split(",") if value.strip()]


def _peer(scope: Scope) -> Address | None:
    client = scope.get("client")
    return _address(client[0]) if client else None


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
