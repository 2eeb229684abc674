"""What a serving process does by itself, with its turns made short."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from photochanger.adapters.passwords import Passwords
from photochanger.features.maintenance import service
from tests.support.product import Product, SharedImaging, running_product
from tests.support.results import send


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_FOLLOW_SECONDS", "BEAT_SECONDS", "_RECONCILE_SECONDS", "_WHOLE_STORE_SECONDS"):
        monkeypatch.setattr(service, name, 0.01)


@pytest.fixture
async def followed(tmp_path: Path, shared_imaging: SharedImaging, quick) -> AsyncIterator[tuple[Product, Path]]:
    """A product whose credentials file is not there yet."""
    file = tmp_path / "credentials.json"
    environ = {"RUNTIME_CREDENTIALS_FILE": str(file)}
    async with running_product(tmp_path / "data", shared_imaging, environ=environ) as product:
        yield product, file


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """The loops have no event to wait for: they are asked until it is so."""
    async with asyncio.timeout(10):
        while not await holds():  # noqa: ASYNC110 – see above
            await asyncio.sleep(0.01)


async def due(product: Product) -> int:
    """Objects that a sweep would delete."""
    return (await product.parts.retention.count_due()).count


async def login(product: Product, name: str) -> httpx.Response:
    return await product.client.post("/api/login", json={"username": name, "password": "correct horse"})


async def accounts(*names: str) -> str:
    passwords = Passwords()
    stored = await passwords.hash("correct horse")
    passwords.close()
    return json.dumps({"accounts": [{"username": name, "password_hash": stored, "role": "admin"} for name in names]})


async def test_accounts_of_the_credentials_file_come_and_go_with_it(followed):
    product, file = followed
    assert (await login(product, "anna")).status_code == 401
    file.write_text(await accounts("anna"))

    async def is_in() -> bool:
        known = await product.parts.accounts.list_accounts()
        return "anna" in {account.username for account in known}

    await until(is_in)
    token = (await login(product, "anna")).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert (await product.client.get("/api/slots", headers=headers)).status_code == 200
    file.write_text("{ broken")

    async def is_seen() -> bool:
        return not product.parts.credentials_file.changed()

    await until(is_seen)  # a broken file changes nothing, and ends no loop
    assert (await product.client.get("/api/slots", headers=headers)).status_code == 200
    file.write_text(await accounts())

    async def is_out() -> bool:
        answer = await product.client.get("/api/slots", headers=headers)
        return bool(answer.status_code == 401)

    await until(is_out)
    assert (await login(product, "anna")).status_code == 401


async def test_the_sweep_runs_when_its_interval_is_over(followed):
    product, _ = followed
    await send(product)
    await product.change_slot(result_ttl_hours=1)
    product.clock.advance(hours=72)

    async def is_swept() -> bool:
        return not await due(product)

    await until(is_swept)
    assert await product.stored_files() == []


async def test_a_sweep_that_is_switched_off_does_not_run(followed, monkeypatch):
    product, _ = followed
    await send(product)
    await product.change_settings(cleanup_enabled=False)
    current, turns = product.parts.settings.current, []

    async def counted():
        turns.append(1)
        return await current()

    monkeypatch.setattr(product.parts.settings, "current", counted)

    async def has_turned() -> bool:
        return len(turns) > 3

    await until(has_turned)  # the turn that may still have read the old setting is over
    product.clock.advance(hours=72)
    turns.clear()
    await until(has_turned)
    assert len(await product.stored_files()) == 6


async def test_one_failed_turn_does_not_end_a_loop(followed, monkeypatch):
    product, _ = followed
    await send(product)
    evict, calls = product.parts.retention.evict_expired, []

    async def fails_once(**options: object):
        calls.append(options)
        if len(calls) == 1:
            raise RuntimeError("once")
        return await evict()

    monkeypatch.setattr(product.parts.retention, "evict_expired", fails_once)
    product.clock.advance(hours=72)

    async def is_swept() -> bool:
        return not await due(product)

    await until(is_swept)
    assert await product.stored_files() == []
    assert len(calls) >= 2


async def test_health_is_well_where_the_clocks_agree(tmp_path: Path, shared_imaging: SharedImaging):
    async with running_product(tmp_path / "data", shared_imaging) as product:
        clock = product.clock
        clock.advance(seconds=(datetime.now(UTC) - clock.now()).total_seconds())
        answer = await product.client.get("/healthz")
        assert (answer.status_code, answer.json()["status"]) == (200, "ok")
        checks = answer.json()["checks"]
        assert set(checks) == {"database", "storage", "providers"}
        found = {name: each["ok"] for name, each in checks["providers"].items()}
        assert found == {"darkroom": True, "gemini": None, "turbotext": None, "openai": None}
        assert checks["database"]["ok"] is checks["storage"]["ok"] is True
        clock.advance(seconds=3600)
        degraded = await product.client.get("/healthz")
        assert (degraded.status_code, degraded.json()["status"]) == (200, "degraded")
        assert "clock" in degraded.json()["checks"]["database"]["reason"]
        assert (await product.client.get("/livez")).json() == {"status": "ok"}


async def test_metrics_tell_what_is_stored_and_what_was_answered_with_bounded_labels(product: Product):
    await send(product)
    await product.send(b"no photo at all")
    for path in ("/api/ingest/slot-777", "/api/ingest/made-up", "/made/up", "/public/slots/made-up"):
        await product.client.post(path)
    text = (await product.client.get("/metrics")).text
    assert 'photochanger_media_objects{kind="source"} 1.0' in text
    assert 'photochanger_media_objects{kind="result"} 1.0' in text
    assert 'photochanger_media_objects{kind="preview"} 4.0' in text
    assert 'photochanger_media_bytes{kind="result"}' in text
    assert "photochanger_store_open_uploads 0.0" in text
    assert 'photochanger_ingest_seconds_count{outcome="transformed",slot_id="slot-001"} 1.0' in text
    assert 'photochanger_ingest_seconds_count{outcome="unsupported-image",slot_id="slot-001"} 1.0' in text
    assert "made" not in text
    assert "slot-777" not in text
