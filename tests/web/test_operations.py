import asyncio
import resource

import pytest

from photochanger.web.guard import Guard
from photochanger.web.health import NotConfigured, Unhealthy, health_routes
from photochanger.web.metrics import Metrics, metrics_route
from photochanger.web.server import allow_many_connections, server_config
from tests.support.clock import FakeClock
from tests.support.web import client_of, kit_app

TOKEN = "0123456789abcdef"


async def fine() -> None: ...


async def broken() -> None:
    raise Unhealthy("the folder is read-only")


async def crashing() -> None:
    raise RuntimeError("postgresql://me:hunter2@db")


async def absent() -> None:
    raise NotConfigured


async def health(checks, providers=None):
    app = kit_app(*health_routes(checks, providers or {}, FakeClock()))
    async with client_of(app) as client:
        return await client.get("/healthz")


async def test_the_process_says_that_it_lives():
    async with client_of(kit_app(*health_routes({}, {}, FakeClock()))) as client:
        assert (await client.get("/livez")).status_code == 200


async def test_all_is_well():
    answer = await health({"database": fine, "storage": fine}, {"darkroom": fine, "gemini": absent})
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "checks": {
            "database": {"ok": True, "duration_ms": 0.0},
            "storage": {"ok": True, "duration_ms": 0.0},
            "providers": {
                "darkroom": {"ok": True, "duration_ms": 0.0},
                "gemini": {"ok": None, "duration_ms": 0.0, "reason": "not configured"},
            },
        },
    }


async def test_a_failed_check_fails_the_answer_and_says_why():
    answer = await health({"database": fine, "storage": broken})
    assert (answer.status_code, answer.json()["status"]) == (503, "failed")
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["checks"]["storage"]["reason"] == "the folder is read-only"
    assert answer.json()["checks"]["database"]["ok"] is True


async def test_a_provider_that_is_down_degrades():
    answer = await health({"database": fine}, {"gemini": broken})
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")


async def test_an_unknown_error_shows_no_secret():
    answer = await health({"database": crashing})
    assert answer.status_code == 503
    assert "hunter2" not in answer.text


async def test_a_check_that_hangs_is_cut_off(monkeypatch):
    monkeypatch.setattr("photochanger.web.health._SECONDS", 0.01)
    answer = await health({"database": asyncio.Event().wait, "storage": fine})
    assert answer.status_code == 503
    assert "no answer" in answer.json()["checks"]["database"]["reason"]
    assert answer.json()["checks"]["storage"]["ok"] is True


async def metrics(token=None, peer="127.0.0.1", refresh=(), **headers):
    kept = Metrics()
    app = kit_app(metrics_route(kept, token, refresh), metrics=kept)
    async with client_of(app, peer=peer) as client:
        await client.get("/nowhere")
        return await client.get("/metrics", headers=headers)


async def test_metrics_are_shown_on_this_machine():
    answer = await metrics()
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'photochanger_http_requests_total{method="GET",route="unmatched",status="404"} 1.0' in answer.text


@pytest.mark.parametrize(
    ("peer", "headers"),
    [("10.0.0.9", {}), ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}), ("127.0.0.1", {"Via": "x"})],
)
async def test_a_stranger_finds_no_metrics(peer, headers):
    assert (await metrics(peer=peer, **headers)).status_code == 404


async def test_with_a_token_anyone_who_has_it_gets_metrics():
    assert (await metrics(TOKEN, peer="10.0.0.9", Authorization=f"Bearer {TOKEN}")).status_code == 200
    assert (await metrics(TOKEN, peer="10.0.0.9", Authorization=f"bearer {TOKEN}")).status_code == 200


@pytest.mark.parametrize("given", ["Bearer wrong", "Bearer", f"Basic {TOKEN}", TOKEN, "Bearer é", ""])
async def test_a_wrong_token_gets_none(given):
    answer = await metrics(TOKEN, Authorization=given.encode())
    assert answer.status_code == 401


async def test_a_gauge_that_cannot_be_read_leaves_the_others():
    seen = []

    async def counted() -> None:
        seen.append(1)

    answer = await metrics(refresh=[crashing, counted])
    assert answer.status_code == 200
    assert seen


def test_uvicorn_believes_no_forwarding_header_and_prints_no_query():
    config = server_config(object(), "127.0.0.1", 0)
    assert config.proxy_headers is False
    assert config.access_log is False
    assert config.server_header is False
    assert config.lifespan == "on"
    config.load()
    assert config.http_protocol_class is Guard


def test_a_server_may_have_as_many_connections_as_the_system_allows():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(2048, before[1]), before[1]))
        allow_many_connections()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (min(before[1], 65_536), before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
