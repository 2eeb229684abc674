"""Kept hours and jobs give the same numbers; counting twice, on two replicas or anew changes nothing."""

import asyncio
import random
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from photochanger.adapters.db.session import Database
from photochanger.features.jobs.models import Attempt, Job
from photochanger.features.stats.models import StatsHour
from photochanger.features.stats.numbers import HOUR, hour_of
from photochanger.features.stats.queries import StatsQueries
from photochanger.features.stats.rollup import Rollup
from photochanger.features.stats.service import numbers_between
from tests.support.clock import FakeClock
from tests.support.ledger import call, ended_job, keep


@pytest.fixture
def rollup(database: Database, clock: FakeClock) -> Rollup:
    return Rollup(database, clock)


def random_jobs(dice: random.Random, now: datetime, hours: int, count: int) -> list[Job | Attempt]:
    rows: list[Job | Attempt] = []
    for _ in range(count):
        at = now - timedelta(seconds=dice.randrange(hours * 3600))
        if dice.random() < 0.1:
            at = hour_of(at)  # on the border of two hours
        status = dice.choices(["done", "failed", "timeout", "rejected"], [6, 1, 1, 1])[0]
        slot = f"slot-{dice.randrange(1, 4):03}"
        job = ended_job(at, status, slot=slot, wait_ms=int(dice.lognormvariate(8, 1.5)), is_test=dice.random() < 0.1)
        costs = [dice.choice([None, 0, 34_000, dice.randrange(10**6)]) for _ in range(dice.randrange(3))]
        job.cost_micros = sum(cost or 0 for cost in costs)
        rows += [job, *(call(job, number, cost_micros=cost) for number, cost in enumerate(costs, 1))]
    return rows


async def hours_kept(database: Database) -> list[tuple[object, ...]]:
    async with database.read() as session:
        rows = list(await session.scalars(select(StatsHour).order_by(StatsHour.hour, StatsHour.slot_id)))
        queries = StatsQueries(session)
        sums = {hour: await queries.sum_hours(hour, hour + HOUR) for hour in {row.hour for row in rows}}
        return [(row.hour, row.slot_id, row.delivered, row.cost_micros, sums[row.hour][row.slot_id]) for row in rows]


async def test_kept_hours_and_jobs_give_the_same_numbers_for_any_window(database, clock, rollup):
    dice = random.Random(20261121)
    now = clock.now()
    await keep(database, *random_jobs(dice, now, 60, 400))
    await rollup.roll_up()
    assert len(await hours_kept(database)) > 100
    async with database.read() as session:
        queries = StatsQueries(session)
        assert await queries.rolled_until() == hour_of(now - timedelta(minutes=10))
        for _ in range(30):
            since = now - timedelta(minutes=dice.randrange(1500, 3600))
            if dice.random() < 0.3:
                since = hour_of(since)
            until = now - timedelta(minutes=dice.choice([0, 0, 7, 20]))
            slot = dice.choice([None, None, "slot-002"])
            counted = await queries.count(since, until, slot)
            assert await numbers_between(queries, since, until, slot) == counted
            assert counted


async def test_counting_again_anew_and_at_once_changes_nothing(database, clock, rollup):
    await keep(database, *random_jobs(random.Random(7), clock.now(), 60, 150))
    await asyncio.gather(rollup.roll_up(), Rollup(database, clock).roll_up())
    kept = await hours_kept(database)
    assert kept
    await rollup.roll_up()
    assert await hours_kept(database) == kept
    await rollup.rebuild()
    assert await hours_kept(database) == kept


async def test_an_hour_is_kept_when_nothing_in_it_can_change_any_more(database, clock, rollup):
    now = clock.now()
    running = ended_job(now - timedelta(hours=3), "processing")
    late = ended_job(now - timedelta(hours=4), "timeout", late_until=now + timedelta(minutes=5))
    await keep(database, ended_job(now - timedelta(hours=6)), late, running)

    async def rolled_until() -> datetime | None:
        async with database.read() as session:
            return await StatsQueries(session).rolled_until()

    await rollup.roll_up()
    assert await rolled_until() == hour_of(late.received_at)
    clock.advance(minutes=6)
    await rollup.roll_up()
    assert await rolled_until() == hour_of(running.received_at)
    async with database.write() as session:
        (await session.get_one(Job, running.id)).status = "done"
    await rollup.roll_up()
    assert await rolled_until() == hour_of(clock.now() - timedelta(minutes=10))


async def test_without_a_photo_there_is_nothing_to_keep(database, rollup):
    await rollup.roll_up()
    assert await hours_kept(database) == []


async def test_hours_from_a_moment_on_are_counted_anew(database, clock, rollup):
    now = clock.now()
    early, later = ended_job(now - timedelta(hours=9)), ended_job(now - timedelta(hours=5))
    await keep(database, early, later)
    await rollup.roll_up()
    async with database.write() as session:
        for job in (early, later):
            (await session.get_one(Job, job.id)).cost_micros = 7
    await rollup.rebuild(later.received_at)
    assert [row[3] for row in await hours_kept(database)] == [0, 7]
    await rollup.rebuild(now + HOUR)  # what is not kept yet needs nothing
    assert [row[3] for row in await hours_kept(database)] == [0, 7]
