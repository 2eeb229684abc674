import ipaddress

import pytest

from photochanger.core.errors import Problem
from photochanger.web.hosts import Addresses, is_local, lan_address, own_addresses

OWN = frozenset({"localhost", "booth-pc", "booth-pc.local", "192.168.1.7", "fd00::7"})


def scope(host=None, peer="10.0.0.9", scheme="http", **headers):
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    if host is not None:
        raw.append((b"host", host.encode("latin-1")))
    return {"type": "http", "headers": raw, "client": (peer, 1234) if peer else None, "scheme": scheme}


def addresses(public=None, **options):
    return Addresses(public, default_base_url="http://192.168.1.7:8000", own=lambda: OWN, **options)


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("localhost:8000", "http://localhost:8000"),
        ("127.0.0.1", "http://127.0.0.1"),
        ("127.8.8.8:1", "http://127.8.8.8:1"),
        ("BOOTH-PC:9000", "http://booth-pc:9000"),
        ("booth-pc.local", "http://booth-pc.local"),
        ("192.168.1.7:8000", "http://192.168.1.7:8000"),
        ("[FD00::7]:80", "http://[fd00::7]:80"),
        ("[fd00:0::7]", "http://[fd00:0::7]"),
        ("evil.example", "http://192.168.1.7:8000"),
        ("192.168.1.8", "http://192.168.1.7:8000"),
        ("localhost.evil.example", "http://192.168.1.7:8000"),
        (None, "http://192.168.1.7:8000"),
        ("", "http://192.168.1.7:8000"),
    ],
)
def test_links_use_the_host_only_when_it_is_ours(host, base):
    assert addresses().base_url(scope(host)) == base


def test_links_use_the_public_address_where_there_is_one():
    assert addresses("https://photo.example/").base_url(scope("localhost:8000")) == "https://photo.example"


@pytest.mark.parametrize(
    "host", ["a b", "localhost:99999", "localhost:x", "a/b", "user@localhost", "[::1", "[::zz]", "a,b", "a" * 300, "é"]
)
@pytest.mark.parametrize("public", [None, "https://photo.example"])
def test_a_malformed_host_is_refused(host, public):
    with pytest.raises(Problem) as refused:
        addresses(public).base_url(scope(host))
    assert refused.value.code == "invalid-host"


def test_two_hosts_are_refused():
    twice = scope("localhost")
    twice["headers"].append((b"host", b"localhost"))
    with pytest.raises(Problem):
        addresses().base_url(twice)


def test_an_address_the_machine_gets_later_is_found():
    known = [frozenset({"192.168.1.7"}), frozenset({"10.5.5.5"})]
    found = Addresses(own=lambda: known.pop(0))
    assert found.base_url(scope("10.5.5.5")) == "http://10.5.5.5"


def test_the_client_is_who_connected():
    assert addresses().client(scope(peer="10.0.0.9", x_forwarded_for="1.2.3.4")) == "10.0.0.9"


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("6.6.6.6, 1.2.3.4", "1.2.3.4"),
        ("6.6.6.6, 1.2.3.4, 10.0.0.8", "1.2.3.4"),
        ("1.2.3.4, nonsense", "10.0.0.9"),
        ("10.0.0.7", "10.0.0.7"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("", "10.0.0.9"),
    ],
)
def test_behind_a_trusted_proxy_the_client_is_the_nearest_stranger(forwarded, client):
    trusting = addresses(trusted_proxies=["10.0.0.0/8"])
    assert trusting.client(scope(peer="10.0.0.9", x_forwarded_for=forwarded)) == client


def test_a_peer_without_an_address_is_unknown():
    assert addresses().client(scope(peer=None)) == "unknown"


def test_the_scheme_is_believed_only_from_a_trusted_proxy():
    assert addresses().base_url(scope("localhost", x_forwarded_proto="https")) == "http://localhost"
    trusting = addresses(trusted_proxies=[ipaddress.ip_network("10.0.0.0/8")])
    assert trusting.base_url(scope("localhost", x_forwarded_proto="https")) == "https://localhost"
    assert trusting.base_url(scope("localhost", x_forwarded_proto="javascript")) == "http://localhost"


@pytest.mark.parametrize(
    ("peer", "headers", "local"),
    [
        ("127.0.0.1", {}, True),
        ("::1", {}, True),
        ("::ffff:127.0.0.1", {}, True),
        ("10.0.0.9", {}, False),
        ("127.0.0.1", {"x_forwarded_for": "127.0.0.1"}, False),
        ("127.0.0.1", {"forwarded": "for=x"}, False),
        ("127.0.0.1", {"x_real_ip": "x"}, False),
        (None, {}, False),
    ],
)
def test_only_a_direct_loopback_caller_is_local(peer, headers, local):
    assert is_local(scope(peer=peer, **headers)) is local


def test_this_machine_knows_itself():
    own = own_addresses()
    assert {"localhost", "127.0.0.1"} <= own
    lan = lan_address()
    assert lan is None or lan in own
