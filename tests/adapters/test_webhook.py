"""Where a webhook may lead, and what is said when it does not."""

import socket

import pytest

from photochanger.adapters.webhook import Webhook
from photochanger.config import ConfigError, load_config
from tests.support.receiver import receiving

PRIVATE = "its address is in a private network"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_a_private_address_is_refused_unless_its_host_is_allowed(host):
    async with receiving() as receiver:
        url = receiver.url.replace("localhost", host)
        assert await Webhook(url).post({"a": 1}) == PRIVATE
        assert receiver.posts == []
        assert await Webhook(url, [host]).post({"a": 1}) is None
        assert receiver.posts == [{"a": 1}]


@pytest.mark.parametrize(
    "host", ["10.1.2.3", "192.168.0.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "0x7f.1"]
)
async def test_no_spelling_of_a_private_address_gets_through(host):
    assert await Webhook(f"http://{host}:9/x").post({}) == PRIVATE


async def test_a_name_is_asked_for_once_and_leads_where_it_was_checked(monkeypatch):
    asked = []

    def resolve(host, port, *_, **__):
        asked.append(host)
        address = "10.0.0.9" if len(asked) == 1 else "127.0.0.1"  # a name that changes its mind
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    async with receiving() as receiver:
        url = receiver.url.replace("localhost", "hooks.example.com")
        assert await Webhook(url).post({}) == PRIVATE
        assert (receiver.posts, len(asked)) == ([], 1)
        assert await Webhook(url, ["hooks.example.com"]).post({"a": 1}) is None
        assert (receiver.posts, len(asked)) == ([{"a": 1}], 2)


async def test_a_refusal_is_told_without_the_address():
    async with receiving() as receiver:
        receiver.status = 410
        assert await Webhook(receiver.url, ["localhost"]).post({}) == "HTTP 410"
    refused = await Webhook(receiver.url, ["localhost"]).post({})
    assert refused == "ClientConnectorError"


@pytest.mark.parametrize(
    "url", ["ftp://example.com/x", "https://", "hooks.example.org", "https://user:secret@example.com/x"]
)
def test_an_address_that_is_none_is_refused_at_the_start_without_saying_it(url):
    with pytest.raises(ConfigError) as caught:
        load_config({"ALERT_WEBHOOK_URL": url}, env_file=None)
    [mistake] = caught.value.mistakes
    assert mistake.startswith("ALERT_WEBHOOK_URL cannot be used")
    assert url.removeprefix("https://") not in mistake or url == "https://"
