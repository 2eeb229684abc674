"""One POST when something goes wrong, one when it is over, whatever happens in between."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from photochanger.adapters.db.session import Database
from photochanger.adapters.storage.store import StorageUnavailable
from photochanger.adapters.webhook import Webhook
from photochanger.features.alerts.repository import AlertRepository
from photochanger.features.alerts.service import AlertService
from tests.support.clock import FakeClock
from tests.support.ledger import ended_job, keep
from tests.support.pictures import jpeg
from tests.support.product import Product, SharedImaging, running_product
from tests.support.receiver import Receiver, receiving


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def product(tmp_path: Path, shared_imaging: SharedImaging, receiver: Receiver) -> AsyncIterator[Product]:
    environ = {"ALERT_WEBHOOK_URL": receiver.url, "PROVIDER_ALLOWED_HOSTS": "localhost"}
    async with running_product(tmp_path / "data", shared_imaging, environ=environ) as product:
        yield product


@pytest.fixture
def alerts(product: Product) -> AlertService:
    return product.parts.alerts


def told(receiver: Receiver) -> list[tuple[str, str]]:
    return [(post["state"], post["kind"]) for post in receiver.posts]


async def photos(product: Product, *, well: int, timed_out: int = 0, crashed: int = 0) -> None:
    at = product.clock.now()
    crashes = [ended_job(at, "failed", failure_code="internal") for _ in range(crashed)]
    timeouts = [ended_job(at, "timeout") for _ in range(timed_out)]
    await keep(product.parts.database, *crashes, *timeouts, *(ended_job(at) for _ in range(well)))
    product.clock.advance(seconds=1)


async def turn(alerts: AlertService) -> None:
    await alerts.watch()
    await alerts.deliver()


async def test_photos_that_fail_are_told_once_and_once_that_it_is_over(product, alerts, receiver, product_log):
    await photos(product, well=8, timed_out=1, crashed=1)
    for _ in range(3):
        await turn(alerts)
        product.clock.advance(seconds=15)
    [raised] = receiver.posts
    assert (raised["state"], raised["kind"], raised["subject"]) == ("raised", "failures", "system")
    assert (raised["photos"], raised["failed"]) == (10, 2)
    assert "2 of 10 photos" in raised["text"]
    product.clock.advance(minutes=15)
    for _ in range(3):
        await turn(alerts)
    assert told(receiver) == [("raised", "failures"), ("over", "failures")]
    assert receiver.posts[1]["id"] == raised["id"]
    assert receiver.posts[1]["raised_at"] == raised["at"]
    await photos(product, well=4, timed_out=1)
    await turn(alerts)
    assert told(receiver)[2:] == [("raised", "failures")]
    assert receiver.posts[2]["id"] != raised["id"]
    assert "SECRET" not in product_log.getvalue()


async def test_few_photos_and_a_tenth_of_many_are_no_alarm(product, alerts, receiver):
    for well, timed_out in ((3, 1), (0, 4), (9, 1), (18, 2)):
        await photos(product, well=well, timed_out=timed_out)
        await turn(alerts)
        assert receiver.posts == []
        product.clock.advance(minutes=16)


async def test_a_store_that_is_down_is_told_until_no_process_found_it_down_for_a_while(
    product, alerts, receiver, monkeypatch
):
    async def down() -> None:
        raise StorageUnavailable("disk full")

    monkeypatch.setattr(product.parts.store, "check", down)
    await turn(alerts)
    assert told(receiver) == [("raised", "store")]
    assert "disk full" in receiver.posts[0]["text"]
    monkeypatch.undo()
    await turn(alerts)  # another replica may still find it down
    product.clock.advance(seconds=89)
    await turn(alerts)
    assert told(receiver) == [("raised", "store")]
    product.clock.advance(seconds=2)
    await turn(alerts)
    assert told(receiver) == [("raised", "store"), ("over", "store")]


async def test_a_store_that_does_not_answer_is_down(product, alerts, receiver, monkeypatch):
    monkeypatch.setattr("photochanger.features.alerts.service._CHECK_SECONDS", 0.05)
    monkeypatch.setattr(product.parts.store, "check", asyncio.Event().wait)
    await turn(alerts)
    assert told(receiver) == [("raised", "store")]


async def test_a_budget_is_told_by_who_spends_it(product, alerts, receiver):
    for _ in range(2):
        await alerts.raise_alert("budget", "slot-001 day", "The day's budget is spent.", micros=5)
    await alerts.raise_alert("budget", "slot-002 day", "The day's budget is spent.", micros=6)
    await alerts.end_alert("budget", "slot-001 day", "A new day.")
    await alerts.end_alert("budget", "slot-003 day", "A new day.")
    await alerts.deliver()
    assert [(post["state"], post["subject"], post.get("micros")) for post in receiver.posts] == [
        ("raised", "slot-001 day", 5),
        ("raised", "slot-002 day", 6),
        ("over", "slot-001 day", None),
    ]


@pytest.mark.parametrize("status", [500, 404, 302])
async def test_what_is_not_taken_is_sent_again_in_its_order_after_growing_pauses(
    product, alerts, receiver, product_log, status
):
    receiver.status = status
    receiver.location = "http://localhost:1/elsewhere" if status == 302 else ""
    await alerts.raise_alert("budget", "a", "spent")
    await alerts.raise_alert("budget", "b", "spent")
    tries = []
    for second in range(80):
        before = len(receiver.posts)
        await alerts.deliver()
        if len(receiver.posts) > before:
            tries.append(second)
        product.clock.advance(seconds=1)
    assert tries == [0, 5, 15, 35, 75]
    assert {post["subject"] for post in receiver.posts} == {"a"}
    receiver.status = 200
    product.clock.advance(hours=1)
    await alerts.deliver()
    assert [post["subject"] for post in receiver.posts[-2:]] == ["a", "b"]
    product.clock.advance(hours=2)
    count = len(receiver.posts)
    await alerts.deliver()
    assert len(receiver.posts) == count
    assert f"HTTP {status}" in product_log.getvalue()
    assert "SECRET" not in product_log.getvalue()


async def test_two_replicas_tell_it_once(product, alerts, receiver):
    other = AlertService(
        database=product.parts.database,
        clock=product.clock,
        stats=product.parts.stats,
        store=product.parts.store,
        webhook=Webhook(receiver.url, ["localhost"]),
        budget_is_spent=product.parts.budgets.is_spent,
    )
    await photos(product, well=1, timed_out=4)
    for _ in range(2):
        await asyncio.gather(alerts.watch(), other.watch())
        await asyncio.gather(alerts.deliver(), other.deliver())
    assert told(receiver) == [("raised", "failures")]
    product.clock.advance(minutes=16)
    await asyncio.gather(alerts.watch(), other.watch())
    await asyncio.gather(alerts.deliver(), other.deliver())
    assert told(receiver) == [("raised", "failures"), ("over", "failures")]


async def test_what_a_dead_process_was_sending_another_sends_a_minute_later(product, alerts, receiver):
    await alerts.raise_alert("budget", "a", "spent")
    await alerts._claim()
    await alerts.deliver()
    product.clock.advance(seconds=59)
    await alerts.deliver()
    assert receiver.posts == []
    product.clock.advance(seconds=2)
    await alerts.deliver()
    assert len(receiver.posts) == 1


async def test_a_webhook_that_fails_hurts_no_photo(tmp_path: Path, shared_imaging: SharedImaging):
    environ = {"ALERT_WEBHOOK_URL": "http://localhost:1/x", "PROVIDER_ALLOWED_HOSTS": "localhost"}
    async with running_product(tmp_path / "data", shared_imaging, environ=environ) as product:
        await photos(product, well=1, timed_out=4)
        await turn(product.parts.alerts)
        assert (await product.send(jpeg(60, 40))).status_code == 200
        async with product.parts.database.read() as session:
            assert await AlertRepository(session).find_first_message() is not None


async def test_without_a_webhook_nothing_is_watched_and_nothing_kept(
    database: Database, clock: FakeClock, tmp_path: Path, shared_imaging: SharedImaging
):
    async with running_product(tmp_path / "data", shared_imaging) as product:
        await photos(product, well=1, timed_out=4)
        await turn(product.parts.alerts)
        await product.parts.alerts.raise_alert("budget", "a", "spent")
        await product.parts.alerts.end_alert("budget", "a", "over", unseen_for=timedelta())
        async with product.parts.database.read() as session:
            assert await AlertRepository(session).find_first_message() is None


async def test_the_maintenance_loops_watch_and_deliver(
    tmp_path: Path, shared_imaging: SharedImaging, receiver: Receiver, monkeypatch
):
    for name in ("_DELIVER_SECONDS", "_WATCH_SECONDS"):
        monkeypatch.setattr(f"photochanger.features.maintenance.service.{name}", 0.02)
    environ = {"ALERT_WEBHOOK_URL": receiver.url, "PROVIDER_ALLOWED_HOSTS": "localhost"}
    async with running_product(tmp_path / "data", shared_imaging, environ=environ) as product:
        await photos(product, well=1, timed_out=4)
        async with asyncio.timeout(60):
            while not receiver.posts:  # noqa: ASYNC110 – the receiver is asked until it is so
                await asyncio.sleep(0.02)
    assert told(receiver) == [("raised", "failures")]
