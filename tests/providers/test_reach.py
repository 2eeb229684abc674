"""Where drivers may connect to, and how a line that does not come about is told."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
from aiohttp import web
from yarl import URL

from photochanger.adapters.providers import http as kit
from photochanger.adapters.providers.driver import BadAnswer, BadConfiguration, TimedOut, Unreachable
from photochanger.adapters.providers.http import VendorHttp
from photochanger.adapters.providers.reach import OutOfReach, Reach, is_private
from photochanger.core.clock import SystemClock
from tests.support import certificates
from tests.support.cloud import cloud_driver

OWN = ("vendor.example",)
ALLOWED = ("127.0.0.1", "vendors", "10.0.0.7:8100", "::1")


@pytest.fixture
async def http():
    http = VendorHttp(SystemClock(), ALLOWED)
    yield http
    await http.close()


def ask(http, url, own_hosts=OWN):
    return http.ask("GET", URL(url), own_hosts=own_hosts, deadline=http.after(60))


@pytest.mark.parametrize(
    "url",
    [
        "https://vendor.example/a",
        "https://VENDOR.example/a",
        "https://files.vendor.example/a",
        "https://vendor.example:443/a",
        "http://vendors:8100/a",
        "http://127.0.0.1:1/a",
        "http://10.0.0.7:8100/a",
        "http://[::1]:8100/a",
    ],
)
def test_own_hosts_over_https_and_allowed_hosts_anyhow(url):
    Reach(ALLOWED).check(URL(url), OWN)


@pytest.mark.parametrize(
    "url",
    [
        "http://vendor.example/a",
        "https://vendor.example:8443/a",
        "https://notvendor.example/a",
        "https://vendor.example.evil.example/a",
        "https://me:secret@vendor.example/a",
        "ftp://vendor.example/a",
        "file:///etc/passwd",
        "/relative",
        "http://10.0.0.7:8101/a",
        "http://10.0.0.8:8100/a",
        "https://169.254.169.254/a",
        "https://[::ffff:127.0.0.1]/a",
    ],
)
def test_everything_else_is_out_of_reach(url):
    with pytest.raises(OutOfReach) as refused:
        Reach(ALLOWED).check(URL(url), OWN)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("8.8.8.8", False),
        ("2606:4700::1111", False),
        ("vendor.example", False),
        ("10.1.2.3", True),
        ("172.16.0.1", True),
        ("192.168.1.1", True),
        ("127.0.0.1", True),
        ("169.254.169.254", True),
        ("100.64.0.1", True),
        ("0.0.0.0", True),
        ("224.0.0.1", True),
        ("::1", True),
        ("fe80::1%eth0", True),
        ("fd00::1", True),
        ("::ffff:10.0.0.1", True),
        ("2002:a00:1::", True),
        ("64:ff9b::a00:1", True),
        ("64:ff9b::808:808", False),
        ("64:ff9b:1::808:808", True),
        ("::7f00:1", True),
        ("fec0::1", True),
    ],
)
def test_private_addresses_are_known_in_every_spelling(address, expected):
    assert is_private(address) is expected


async def test_a_name_that_leads_into_the_own_network_is_refused_after_it_was_resolved(http):
    with pytest.raises(BadConfiguration, match="localhost leads into a private network"):
        await ask(http, "https://localhost/a", own_hosts=("localhost",))


async def test_a_name_that_does_not_resolve_is_unreachable(http, monkeypatch):
    def nowhere(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    with pytest.raises(Unreachable, match=r"vendor\.example: its name does not resolve"):
        await ask(http, "https://vendor.example/a")


async def test_names_that_nobody_answers_for_take_no_threads_that_others_need(http, monkeypatch):
    monkeypatch.setattr(kit, "_CONNECT_SECONDS", 0.3)
    answered, look_up = threading.Event(), socket.getaddrinfo

    def hangs(host, *options, **named):
        if str(host).endswith(".example"):
            answered.wait(30)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return look_up(host, *options, **named)

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    asking = [ask(http, f"https://{number}.vendor.example/a") for number in range(40)]
    try:
        ended = await asyncio.gather(*asking, return_exceptions=True)
        assert {type(failure) for failure in ended} == {Unreachable}
        async with asyncio.timeout(20):
            assert await asyncio.to_thread(abs, -1) == 1
    finally:
        answered.set()


async def test_no_route_is_unreachable(http, monkeypatch):
    async def no_route(*_, **__):
        raise OSError(113, "No route to host")

    monkeypatch.setattr("aiohappyeyeballs.start_connection", no_route)
    with pytest.raises(Unreachable, match="No route to host"):
        await ask(http, "http://127.0.0.1:1/a")


@contextmanager
def silent_address() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as first, socket.socket() as second:
        for other in (first, second):  # who is let in; the kernel drops everybody after them
            other.settimeout(0)
            other.connect_ex(full.getsockname())
        yield f"http://127.0.0.1:{full.getsockname()[1]}/a"


async def test_a_line_that_answers_nothing_is_unreachable_soon(http, monkeypatch):
    monkeypatch.setattr(kit, "_CONNECT_SECONDS", 0.3)
    with silent_address() as url, pytest.raises(Unreachable, match="too long to connect"):
        await ask(http, url)


async def test_after_a_silent_line_the_next_vendors_has_to_be_quick_until_one_answers(http, vendors, monkeypatch):
    monkeypatch.setattr(kit, "_CONNECT_SECONDS", 0.3)
    monkeypatch.setattr(kit, "_QUICK_SECONDS", 0.2)
    with silent_address() as one, silent_address() as other:
        with pytest.raises(Unreachable):
            await ask(http, one)
        monkeypatch.setattr(kit, "_CONNECT_SECONDS", 60.0)
        async with asyncio.timeout(30):
            with pytest.raises(Unreachable):
                await ask(http, other)
        await ask(http, f"{vendors.url}/log")
        with pytest.raises(TimedOut):
            await http.ask("GET", URL(one), own_hosts=OWN, deadline=http.after(1))


async def test_what_speaks_no_tls_is_unreachable(http, vendors):
    with pytest.raises(Unreachable, match=r"no certificate|no connection"):
        await ask(http, f"https://127.0.0.1:{vendors.port}/a")


@pytest.mark.parametrize(
    ("certificate", "is_good"),
    [(certificates.GOOD, True), (certificates.OF_ANOTHER_NAME, False), (certificates.EXPIRED, False)],
    ids=["good", "V012-name", "V012-expired"],
)
async def test_only_a_certificate_of_that_name_and_of_today_is_believed(
    http, tmp_path, monkeypatch, certificate, is_good
):
    """Each is made by somebody who is trusted: name and time alone decide."""
    trusting = ssl.create_default_context(cadata=certificate)
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", trusting)
    async with tls_server(tmp_path, certificate) as port:
        asked = ask(http, f"https://127.0.0.1:{port}/a")
        if is_good:
            assert (await asked).body == b"hello"
        else:
            with pytest.raises(Unreachable, match="no certificate"):
                await asked


@asynccontextmanager
async def tls_server(folder, certificate):
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    (folder / "both.pem").write_text(certificates.KEY + certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    app = web.Application()
    app.add_routes([web.get("/a", hello)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def test_a_gzip_nobody_asked_for_is_unpacked_and_other_packing_refused(http):
    async def packed(request: web.Request) -> web.Response:
        assert request.headers["Accept-Encoding"] == "identity"
        answer = web.Response(text="hello " * 1000)
        answer.enable_compression(web.ContentCoding(request.query["as"]))
        return answer

    async def odd(_: web.Request) -> web.Response:
        return web.Response(body=b"?", headers={"Content-Encoding": "br"})

    app = web.Application()
    app.add_routes([web.get("/packed", packed), web.get("/odd", odd)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        for coding in ("gzip", "deflate"):
            assert (await ask(http, f"{url}/packed?as={coding}")).body == b"hello " * 1000
        with pytest.raises(BadAnswer, match="nobody asked"):
            await ask(http, f"{url}/odd")
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("http://169.254.169.254/latest", "none of the vendor's hosts"),
        ("http://localhost:1/a", "none of the vendor's hosts"),
        ("file:///etc/passwd", "no plain http"),
        ("", "in circles"),
        ("http://[", "no address"),
    ],
)
async def test_every_redirect_of_a_result_is_checked_like_its_first_address(vendors, location, why):
    async with cloud_driver("turbotext", vendors) as cloud:
        await vendors.play("turbotext", {"do": "redirect", "location": location})
        with pytest.raises(BadAnswer, match=why) as refused:
            await cloud.transform()
    assert refused.value.cost_micros is None
