"""Every finding of the doctor, well and ill, with what to do."""

import asyncio
import shutil
import threading
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from photochanger.adapters.db.engine import create_engine
from photochanger.adapters.db.session import Database
from photochanger.adapters.storage.store import StorageUnavailable
from photochanger.core.limits import GIB
from photochanger.features.audit.schemas import Actor
from photochanger.features.clock.service import ClockWatch
from photochanger.features.maintenance.doctor import Doctor, Finding
from tests.support.clock import FakeClock
from tests.support.fixtures import database
from tests.support.product import Product

__all__ = ["database"]

Usage = namedtuple("Usage", "total used free")  # noqa: PYI024 – as shutil has it


class Store:
    name = "fake"

    def __init__(self, reason: str | None = None) -> None:
        self._reason = reason

    async def check(self) -> None:
        if self._reason:
            raise StorageUnavailable(self._reason)


def doctor(database: Database, data_dir: Path, **options: Any) -> Doctor:
    parts: dict[str, Any] = {
        "database": database,
        "store": Store(),
        "clock": FakeClock(datetime.now(UTC)),
        "data_dir": data_dir,
        "public_base_url": None,
    } | options
    return Doctor(clock_watch=ClockWatch(database, parts["clock"]), **parts)


async def threads_of_failed_connections() -> None:
    """aiosqlite lets go of them while they still want to tell their loop that they failed."""
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            await asyncio.to_thread(thread.join, 10)


async def findings(doctor: Doctor) -> dict[str, Finding]:
    return {finding.name: finding for finding in await doctor.examine()}


def ill(found: dict[str, Finding]) -> list[str]:
    return [name for name, finding in found.items() if not finding.ok]


async def test_all_is_well(database, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 3 * GIB))
    found = await findings(doctor(database, tmp_path, public_base_url="https://photos.example"))
    assert list(found) == ["database", "clock", "store", "secrets", "disk", "public address"]
    assert ill(found) == []
    assert not [finding.advice for finding in found.values() if finding.advice]
    assert found["disk"].says.startswith("3,072 MiB free")
    assert found["public address"].says == "https://photos.example"


async def test_a_database_that_cannot_be_reached_takes_the_clock_along(tmp_path):
    broken = Database(create_engine(f"sqlite+aiosqlite:///{tmp_path}/nowhere/test.db"))
    found = await findings(doctor(broken, tmp_path))
    await broken.close()
    await threads_of_failed_connections()
    assert {"database", "clock"} <= set(ill(found))
    assert "DATABASE_URL" in found["database"].advice
    assert str(tmp_path) not in found["database"].says


@pytest.mark.parametrize("seconds", [2, -2])
async def test_a_clock_that_differs_is_told_with_how_much(database, tmp_path, seconds):
    clock = FakeClock(datetime.now(UTC) + timedelta(seconds=seconds))
    found = (await findings(doctor(database, tmp_path, clock=clock)))["clock"]
    assert (found.ok, "NTP" in found.advice) == (False, True)
    skew = int(found.says.split()[-2])
    assert abs(skew + seconds * 1000) < 900


async def test_a_clock_that_moved_since_it_was_last_seen_is_told_with_what_to_do(database, tmp_path):
    now = datetime.now(UTC)
    await ClockWatch(database, FakeClock(now - timedelta(days=7))).accept(Actor.system())
    found = (await findings(doctor(database, tmp_path)))["clock"]
    assert not found.ok
    assert "forward by 168.0 hours" in found.says
    assert "photochanger reconcile --accept-clock" in found.advice


async def test_a_broken_store_says_its_reason(database, tmp_path):
    found = (await findings(doctor(database, tmp_path, store=Store("the folder is read-only"))))["store"]
    assert (found.ok, found.says, bool(found.advice)) == (False, "the folder is read-only", True)


async def test_secrets_others_may_read_are_named(database, tmp_path):
    tmp_path.chmod(0o755)
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name, mode in (("home", 0o600), ("jwt_signing_key", 0o640)):
        (secrets / name).write_text("very secret")
        (secrets / name).chmod(mode)
    found = (await findings(doctor(database, tmp_path)))["secrets"]
    assert not found.ok
    assert "jwt_signing_key" in found.says
    assert "home" not in found.says
    assert "chmod" in found.advice
    tmp_path.chmod(0o700)  # nobody gets as far as the files
    assert (await findings(doctor(database, tmp_path)))["secrets"].ok
    tmp_path.chmod(0o755)
    (secrets / "jwt_signing_key").chmod(0o600)
    assert "jwt_signing_key" not in (await findings(doctor(database, tmp_path)))["secrets"].says


async def test_little_free_disk_is_told(database, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 2 * GIB - 1))
    found = (await findings(doctor(database, tmp_path)))["disk"]
    assert (found.ok, bool(found.advice)) == (False, True)


@pytest.mark.parametrize(
    "host", ["http://localhost:8000", "http://127.0.0.1", "http://127.1.2.3:80", "http://[::1]:8000"]
)
async def test_an_address_that_leads_back_to_this_machine_is_told(database, tmp_path, host):
    found = (await findings(doctor(database, tmp_path, public_base_url=host)))["public address"]
    assert (found.ok, "PUBLIC_BASE_URL" in found.advice) == (False, True)


async def test_no_address_at_all_is_right(database, tmp_path):
    found = (await findings(doctor(database, tmp_path)))["public address"]
    assert (found.ok, "not set" in found.says) == (True, True)


async def test_a_new_product_is_well_but_for_the_clock_of_its_tests(product: Product, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 3 * GIB))
    before = await product.stored_files()
    assert ill(await findings(product.parts.doctor)) == ["clock"]
    assert await product.stored_files() == before
