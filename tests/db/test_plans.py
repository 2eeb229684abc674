"""With 100,000 jobs no list reads a whole table."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.ext.asyncio import AsyncEngine

from photochanger.adapters.db.migrate import migrate
from photochanger.adapters.db.session import Database
from photochanger.assets import assets
from photochanger.features.audit.repository import AuditRepository
from photochanger.features.audit.schemas import AuditFilters
from photochanger.features.jobs.repository import JobRepository
from photochanger.features.media.repository import MediaRepository
from photochanger.features.stats.numbers import HOUR, hour_of
from photochanger.features.stats.queries import StatsQueries

ID = "('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid"
JOB = UUID("01900000-0000-7000-8000-000000000100")
FILL = (
    f"""INSERT INTO jobs (id, slot_id, slot_version, runner_id, link_token, status, outcome, received_at, deadline_at,
        finished_at, approved_at, expires_at, is_test, duration_ms, failure_code)
    SELECT {ID}, 'slot-' || lpad((1 + n % 15)::text, 3, '0'), 1, 'r', 't',
        CASE WHEN n % 1000 = 0 THEN 'processing' ELSE 'done' END, CASE WHEN n % 1000 > 0 THEN 'transformed' END,
        now() - n * interval '10 s', now() - n * interval '10 s', now() - n * interval '10 s', now(),
        now() + (50000 - n) * interval '10 s', false, 3000, CASE WHEN n % 100 = 1 THEN 'provider-timeout' END
    FROM generate_series(1, 100000) n""",
    f"""INSERT INTO attempts (id, job_id, number, step, provider, started_at, outcome, cost_micros)
    SELECT gen_random_uuid(), {ID}, 1, 0, 'gemini', now() - n * interval '10 s', 'delivered',
        CASE WHEN n % 1000 > 0 THEN 1 END FROM generate_series(1, 100000) n""",
    """INSERT INTO stats_hours (hour, slot_id, delivered, failed, timeout, rejected, cost_micros, cost_unknown)
    SELECT date_trunc('hour', now()) - n / 15 * interval '1 h', 'slot-' || lpad((1 + n % 15)::text, 3, '0'),
        1, 1, 1, 1, 1, 1 FROM generate_series(0, 50000) n""",
    "INSERT INTO stats_waits (hour, slot_id, step, count) SELECT hour, slot_id, 3000, 1 FROM stats_hours",
    f"""INSERT INTO media (id, kind, variant, store, object_key, content_type, size_bytes, sha256, job_id, created_at,
        expires_at, evicted_at)
    SELECT gen_random_uuid(), 'result', 'full', 'local', 'k' || n, 'image/jpeg', 1, 'x', {ID}, now(),
        now() + (50000 - n) * interval '10 s', CASE WHEN n > 50100 THEN now() END FROM generate_series(1, 100000) n""",
    f"""INSERT INTO job_claims (slot_id, kind, value, job_id)
    SELECT 'slot-001', 'hash', 'v' || n, {ID} FROM generate_series(1, 50000) n""",
    f"""INSERT INTO audit (id, at, actor, address, action, subject, detail)
    SELECT {ID}, now() - (100000 - n) * interval '10 s', 'a' || n % 50, '', 'job.finished', 's' || n, '{{}}'
    FROM generate_series(1, 100000) n""",
)  # fmt: skip


def statements(now: datetime):
    every = {"slot_id": None, "status": None, "since": None, "until": None, "before": None, "limit": 51}
    for given in (
        *({}, {"slot_id": "slot-003", "before": JOB}, {"slot_id": "nobody"}, {"status": "rejected"}),
        *({"status": "processing"}, {"since": now - timedelta(hours=1)}),
    ):
        yield lambda session, given=given: JobRepository(session).list_page(**every | given)
    grace = timedelta(seconds=30)
    yield lambda session: JobRepository(session).list_abandoned(["r2"], now=now, grace=grace, limit=100)
    yield lambda session: JobRepository(session).find_claim("slot-001", "hash", "v7")
    yield lambda session: JobRepository(session).release_claims(JOB)
    slots = ["slot-001", "slot-002"]
    yield lambda session: MediaRepository(session).list_visible(slots, now=now, since=None, offset=20, limit=21)
    yield lambda session: MediaRepository(session).list_due(now, limit=100)
    yield lambda session: MediaRepository(session).find_of_job(JOB, "full")
    yield lambda session: MediaRepository(session).list_keys(after="k5", limit=500)
    yield from statements_of_stats(now)
    for filters in (
        *({}, {"actor": "a7"}, {"subject": "s77"}, {"action": "login.locked"}),
        {"since": now - timedelta(hours=1)},
    ):
        yield lambda session, filters=filters: AuditRepository(session).list_entries(
            AuditFilters(**filters), before=None, limit=51
        )


def statements_of_stats(now: datetime):
    """Without the sum of what lies in the store, which is one of every living object."""
    hour = hour_of(now)
    for slot in (None, "slot-003"):
        yield lambda session, slot=slot: StatsQueries(session).count(now - HOUR, now, slot)
        yield lambda session, slot=slot: StatsQueries(session).sum_hours(hour - 72 * HOUR, hour, slot)
        yield lambda session, slot=slot: StatsQueries(session).count_processing(slot)
        yield lambda session, slot=slot: StatsQueries(session).list_failures(now - HOUR, slot, 20)
        yield lambda session, slot=slot: StatsQueries(session).list_failures(now - 720 * HOUR, slot, 20)
    yield lambda session: StatsQueries(session).first_received()
    yield lambda session: StatsQueries(session).first_received(hour)
    yield lambda session: StatsQueries(session).first_open(now)
    yield lambda session: StatsQueries(session).count_failing(now - HOUR, now, ["provider-timeout"])
    yield lambda session: StatsQueries(session).keep_hours(hour - HOUR, hour, {})
    yield lambda session: JobRepository(session).list_delivered(now - 24 * HOUR, now, UUID(int=0), 500)
    yield lambda session: JobRepository(session).sum_costs({JOB})


async def test_no_list_and_no_lookup_reads_a_whole_table(empty: AsyncEngine):
    if empty.dialect.name == "sqlite":
        pytest.skip("runs with --database postgresql")
    await migrate(empty, assets("migrations"))
    async with empty.connect() as plain:
        connection = await plain.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("SET statement_timeout = 0"))
        for sql in (*FILL, "ANALYZE"):
            await connection.exec_driver_sql(sql)
    seen: list[tuple[str, Any]] = []

    def see(_connection: Connection, _cursor: object, sql: str, given: Any, _context: object, _many: object) -> None:
        if not sql.startswith("EXPLAIN"):
            seen.append((sql, given))

    event.listen(empty.sync_engine, "before_cursor_execute", see)
    whole = []
    for send in statements(datetime.now(UTC)):
        seen.clear()
        async with Database(empty).write() as session:
            await send(session)
            connection = await session.connection()
            for sql, given in seen:
                plan = (await connection.exec_driver_sql("EXPLAIN " + sql, given)).scalars().all()
                if any("Seq Scan" in line for line in plan):
                    whole.append((sql, plan))
    assert whole == []
