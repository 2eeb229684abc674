"""With 100,000 jobs no statement of any repository reads a whole big table, and every index is some statement's."""

import importlib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, cast
from uuid import UUID

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from photochanger import features
from photochanger.adapters.db.session import Database
from photochanger.core.ids import first_id
from photochanger.features.accounts.models import Account, LoginFailure, Session
from photochanger.features.accounts.repository import AccountRepository, LoginFailureRepository, SessionRepository
from photochanger.features.alerts.repository import AlertRepository
from photochanger.features.audit.models import AuditEntry
from photochanger.features.audit.repository import AuditRepository
from photochanger.features.audit.schemas import AuditFilters
from photochanger.features.clock.repository import SeenTimeRepository
from photochanger.features.galleries.repository import AlbumRepository
from photochanger.features.jobs.models import Attempt
from photochanger.features.jobs.repository import JobRepository, RunnerRepository
from photochanger.features.media.repository import MediaRepository
from photochanger.features.prices.models import Price
from photochanger.features.prices.repository import PriceRepository
from photochanger.features.settings.repository import SettingsRepository
from photochanger.features.slots.repository import SlotRepository
from photochanger.features.stats.numbers import HOUR, hour_of
from photochanger.features.stats.queries import StatsQueries
from tests.support.database import databases, fresh_database

SMALL = {
    *("slots", "slot_versions", "settings", "accounts", "runners"),
    *("prices", "alerts", "alert_messages", "stats_progress", "seen_time"),
}
"""Tables of which a studio has some dozens of rows."""
PAGE = 1_000
"""More rows than any list shows: nobody sorts or throws away more than that for one answer."""
MAY_READ = {("delete_dead_claims", "job_claims")}
"""Of living results only, and looked through once a minute."""
LATER = {
    "ix_jobs_ref": "the booth's own number of a photo, which it may ask for",
}
NOW = datetime.now(UTC).replace(microsecond=0)
AT = f"('{NOW.isoformat()}'::timestamptz - (100000 - n) * interval '10 s')"
ID = "('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid"
TIMED = (
    f"encode(substr(int8send((extract(epoch FROM {AT}) * 1000)::bigint), 3) || '\\x70008000000000000001', 'hex')::uuid"
)


def timed(n: int) -> UUID:
    """What TIMED makes of a row's number."""
    return UUID(int=first_id(NOW - (100_000 - n) * timedelta(seconds=10)).int + 0x7000_8000_0000_0000_0001)


JOB = timed(90_000)
FEW = UUID("01900000-0000-7000-8000-000000000002")
"""Of an album or an account, of which there are fewer."""
FILL = (
    f"""INSERT INTO jobs (id, slot_id, slot_version, runner_id, link_token, status, outcome, received_at, deadline_at,
        finished_at, approved_at, expires_at, is_test, duration_ms, failure_code, cost_micros)
    SELECT {TIMED}, 'slot-' || lpad((1 + n % 15)::text, 3, '0'), 1, 'r', 't',
        CASE WHEN n % 1000 = 0 THEN 'processing' ELSE 'done' END, CASE WHEN n % 1000 > 0 THEN 'transformed' END,
        {AT}, {AT} + interval '50 s', {AT}, {AT}, {AT} + interval '72 h', false, 3000,
        CASE WHEN n % 100 = 1 THEN 'provider-timeout' END, n % 2 FROM generate_series(1, 100000) n""",
    f"""INSERT INTO media (id, kind, variant, store, object_key, content_type, size_bytes, sha256, job_id, created_at,
        expires_at, evicted_at)
    SELECT gen_random_uuid(), 'result', 'full', 'local', 'k' || n, 'image/jpeg', 1, 'x', {TIMED}, now(),
        now() + (n - 74080) * interval '10 s', CASE WHEN n < 73980 THEN now() END FROM generate_series(1, 100000) n""",
    f"""INSERT INTO job_claims (slot_id, kind, value, job_id)
    SELECT 'slot-001', 'hash', 'v' || n, {TIMED} FROM generate_series(74000, 100000) n""",
    f"""INSERT INTO attempts (id, job_id, number, step, provider, started_at, outcome, cost_micros)
    SELECT {TIMED}, {TIMED}, 1, 0, 'gemini', {AT}, 'delivered', CASE WHEN n % 1000 > 0 THEN 1 END
    FROM generate_series(1, 100000) n""",
    """INSERT INTO stats_hours (hour, slot_id, delivered, failed, timeout, rejected, cost_micros, cost_unknown)
    SELECT date_trunc('hour', now()) - n / 15 * interval '1 h', 'slot-' || lpad((1 + n % 15)::text, 3, '0'),
        1, 1, 1, 1, 1, 1 FROM generate_series(0, 50000) n""",
    "INSERT INTO stats_waits (hour, slot_id, step, count) SELECT hour, slot_id, 3000, 1 FROM stats_hours",
    f"""INSERT INTO albums (id, slot_id, key) SELECT {ID}, 'slot-001', 'k' || n FROM generate_series(1, 2000) n""",
    f"""INSERT INTO album_items (album_id, position, job_id)
    SELECT {ID.replace("to_hex(n)", "to_hex(1 + n % 2000)")}, n, {TIMED}
    FROM generate_series(80001, 100000) n""",
    f"""INSERT INTO accounts (id, username, username_folded, password_hash, role, origin, created_at)
    SELECT {ID}, 'u' || n, 'u' || n, '', 'admin', 'product', now() FROM generate_series(1, 50) n""",
    f"""INSERT INTO sessions (jti, account_id, address, created_at, expires_at)
    SELECT {ID}, {ID.replace("to_hex(n)", "to_hex(1 + n % 50)")}, '', now(), now() + (n - 100) * interval '1 s'
    FROM generate_series(1, 20000) n""",
    f"""INSERT INTO login_failures (id, subject, address, failed_at)
    SELECT {ID}, 's' || n % 5000, 'a', now() - CASE WHEN n > 100 THEN interval '1 s' ELSE interval '1 day' END
    FROM generate_series(1, 20000) n""",
    f"""INSERT INTO audit (id, at, actor, address, action, subject, detail)
    SELECT {TIMED}, {AT}, 'a' || n % 50, '', 'job.finished', 's' || n, '{{}}'
    FROM generate_series(1, 100000) n""",
)  # fmt: skip


def calls(now: datetime) -> dict[tuple[type[Any], str], list[Callable[[Any], Any]]]:
    """Every method of every repository."""
    early, filters = now - timedelta(days=5), {"slot_id": None, "status": None, "since": None, "until": None}
    pages: tuple[dict[str, Any], ...] = (
        *({}, {"slot_id": "slot-003", "before": JOB}, {"slot_id": "nobody"}, {"status": "rejected"}),
        *({"status": "processing"}, {"since": now - timedelta(hours=1)}, {"since": early, "until": early}),
        *({"until": early}, {"slot_id": "slot-003", "until": early}),
    )
    entries: tuple[dict[str, Any], ...] = (
        *({}, {"actor": "a7"}, {"actor": "nobody"}, {"subject": "s77"}, {"action": "login.locked"}),
        *({"since": now - timedelta(hours=1)}, {"until": early}),
    )
    account = {"username": "new", "username_folded": "new", "password_hash": "", "role": "admin", "origin": "product"}
    attempt = {"job_id": JOB, "number": 2, "step": 1, "provider": "p", "started_at": now, "outcome": "delivered"}
    new, saved = UUID(int=1), {"value": {}, "version": 1, "updated_at": now, "updated_by": "a"}
    slots, jobs = ["slot-001", "slot-002"], [timed(5), timed(90_001)]

    async def settle(repository: JobRepository) -> None:
        repository.begin_attempt(Attempt(id=new, **attempt))
        await repository.settle_attempt(Attempt(id=jobs[1], **attempt | {"number": 3}))

    async def take_slot(repository: SlotRepository) -> None:
        slot = await repository.find("slot-001")
        assert slot is not None
        slot.version = 7
        await repository.replace(slot, version=1)

    def list_entries(filters: AuditFilters, before: UUID | None, repository: AuditRepository) -> Awaitable[Any]:
        return repository.list_entries(filters, before=before, limit=51)

    def list_jobs(given: dict[str, Any], repository: JobRepository) -> Awaitable[Any]:
        return repository.list_page(**given)

    def list_visible(since: datetime | None, repository: MediaRepository) -> Awaitable[Any]:
        return repository.list_visible(slots, now=now, since=since, offset=20, limit=21)

    return {
        (AccountRepository, "find"): [lambda r: r.find("u1"), lambda r: r.find("u1", lock=True)],
        (AccountRepository, "find_similar"): [lambda r: r.find_similar("U1")],
        (AccountRepository, "list_all"): [lambda r: r.list_all(), lambda r: r.list_all(origin="file")],
        (AccountRepository, "lock_file_accounts"): [lambda r: r.lock_file_accounts()],
        (AccountRepository, "has_any"): [lambda r: r.has_any()],
        (AccountRepository, "add"): [lambda r: r.add(Account(id=new, created_at=now, **account))],
        (SessionRepository, "add"): [
            lambda r: r.add(Session(jti=new, account_id=FEW, address="", created_at=now, expires_at=now))
        ],
        (SessionRepository, "find_alive"): [lambda r: r.find_alive(JOB)],
        (SessionRepository, "revoke"): [lambda r: r.revoke(JOB, now)],
        (SessionRepository, "revoke_all"): [lambda r: r.revoke_all(FEW, now)],
        (SessionRepository, "delete_expired"): [lambda r: r.delete_expired(now)],
        (LoginFailureRepository, "lock"): [lambda r: r.lock("s1", "a")],
        (LoginFailureRepository, "list_times"): [lambda r: r.list_times("s1", "a", now)],
        (LoginFailureRepository, "add"): [
            lambda r: r.add(LoginFailure(id=new, subject="s", address="a", failed_at=now))
        ],
        (LoginFailureRepository, "clear"): [lambda r: r.clear("s1", "a")],
        (AuditRepository, "add"): [
            lambda r: r.add(AuditEntry(id=new, at=now, actor="", address="", action="", subject="", detail={}))
        ],
        (AuditRepository, "list_entries"): [
            partial(list_entries, AuditFilters(**given), before) for given in entries for before in (None, JOB)
        ],
        (AlbumRepository, "find"): [lambda r: r.find(JOB)],
        (AlbumRepository, "get_or_add"): [lambda r: r.get_or_add(new, "slot-001", "k5")],
        (AlbumRepository, "append"): [lambda r: r.append(FEW, timed(7))],
        (AlbumRepository, "find_id_of"): [lambda r: r.find_id_of(JOB)],
        (AlbumRepository, "list_visible"): [lambda r: r.list_visible(FEW, now)],
        (JobRepository, "find"): [lambda r: r.find(JOB), lambda r: r.find(JOB, lock=True)],
        (JobRepository, "add"): [],
        (JobRepository, "finish"): [lambda r: r.finish(JOB, {"status": "done"})],
        (JobRepository, "change"): [lambda r: r.change(JOB, {"hidden_at": None})],
        (JobRepository, "list_page"): [
            partial(list_jobs, filters | {"before": None, "limit": 51} | given) for given in pages
        ],
        (JobRepository, "remove_results"): [lambda r: r.remove_results("slot-001", now)],
        (JobRepository, "list_abandoned"): [
            lambda r: r.list_abandoned(["r2"], overdue=now - timedelta(seconds=30), limit=100)
        ],
        (JobRepository, "claim"): [lambda r: r.claim("slot-001", "hash", "v7", job_id=JOB, expires_at=None)],
        (JobRepository, "find_claim"): [lambda r: r.find_claim("slot-001", "hash", "v7")],
        (JobRepository, "move_claims"): [lambda r: r.move_claims(JOB, timed(5))],
        (JobRepository, "release_claims"): [lambda r: r.release_claims(JOB)],
        (JobRepository, "delete_dead_claims"): [lambda r: r.delete_dead_claims(now, since=now - timedelta(minutes=15))],
        (JobRepository, "begin_attempt"): [],
        (JobRepository, "end_late"): [lambda r: r.end_late(JOB, {})],
        (JobRepository, "give_up_late"): [lambda r: r.give_up_late(["r2"], overdue=now - timedelta(seconds=30))],
        (JobRepository, "list_delivered"): [lambda r: r.list_delivered(now - 24 * HOUR, now, UUID(int=0), 500)],
        (JobRepository, "sum_costs"): [lambda r: r.sum_costs({JOB})],
        (JobRepository, "sum_spent"): [
            lambda r: r.sum_spent("slot-003", now - 24 * HOUR),
            lambda r: r.sum_spent("slot-003", now - 720 * HOUR),
        ],
        (JobRepository, "settle_attempt"): [settle],
        (JobRepository, "list_attempts"): [lambda r: r.list_attempts(JOB)],
        (SeenTimeRepository, "find"): [lambda r: r.find()],
        (SeenTimeRepository, "advance"): [
            lambda r: r.advance(now, was=None),
            lambda r: r.advance(now + HOUR, was=now),
        ],
        (SeenTimeRepository, "replace"): [lambda r: r.replace(now)],
        (RunnerRepository, "beat"): [lambda r: r.beat("r", "h", now)],
        (RunnerRepository, "list_all"): [lambda r: r.list_all()],
        (RunnerRepository, "delete"): [lambda r: r.delete(["r"])],
        (MediaRepository, "add"): [],
        (MediaRepository, "visible"): [],
        (MediaRepository, "find"): [lambda r: r.find(JOB)],
        (MediaRepository, "find_of_job"): [lambda r: r.find_of_job(JOB, "full")],
        (MediaRepository, "list_of_job"): [lambda r: r.list_of_job(JOB)],
        (MediaRepository, "list_visible"): [partial(list_visible, since) for since in (None, now - timedelta(hours=1))],
        (MediaRepository, "list_due_jobs"): [lambda r: r.list_due_jobs(slots, now=now, limit=10)],
        (MediaRepository, "list_due"): [
            lambda r: r.list_due(now, limit=100),
            lambda r: r.list_due(now, limit=100, slot_id="slot-001", but_not=jobs),
        ],
        (MediaRepository, "mark_evicted"): [lambda r: r.mark_evicted(jobs, now)],
        (MediaRepository, "expire_slot"): [lambda r: r.expire_slot("slot-001", now)],
        (MediaRepository, "set_result_expiry"): [lambda r: r.set_result_expiry(JOB, now, was=now)],
        (MediaRepository, "set_expiry"): [lambda r: r.set_expiry(JOB, now)],
        (MediaRepository, "expire"): [lambda r: r.expire(JOB, now)],
        (MediaRepository, "known_keys"): [lambda r: r.known_keys([f"k{number}" for number in range(500)])],
        (MediaRepository, "totals"): [lambda r: r.totals()],
        (MediaRepository, "list_keys"): [lambda r: r.list_keys(after="k5", limit=500)],
        **calls_of_statistics(now),
        (AlertRepository, "raise_alert"): [lambda r: r.raise_alert(new, "store", "", now)],
        (AlertRepository, "end_alert"): [lambda r: r.end_alert("store", "", now)],
        (AlertRepository, "list_subjects"): [lambda r: r.list_subjects("budget")],
        (AlertRepository, "add_message"): [lambda r: r.add_message({}, now)],
        (AlertRepository, "find_first_message"): [lambda r: r.find_first_message()],
        (AlertRepository, "find_message"): [lambda r: r.find_message(1)],
        (AlertRepository, "delete_message"): [lambda r: r.delete_message(1)],
        (PriceRepository, "list_all"): [lambda r: r.list_all()],
        (PriceRepository, "find"): [lambda r: r.find("gemini", "", "image", now)],
        (PriceRepository, "put"): [
            lambda r: r.put(Price(provider="p", model="", unit="image", valid_from=now, micros=1))
        ],
        (SettingsRepository, "find"): [lambda r: r.find()],
        (SettingsRepository, "add"): [lambda r: r.add(**saved)],
        (SettingsRepository, "replace"): [lambda r: r.replace(expected_version=1, value={})],
        (SlotRepository, "lock"): [lambda r: r.lock()],
        (SlotRepository, "find"): [lambda r: r.find("slot-001")],
        (SlotRepository, "list_page"): [lambda r: r.list_page(after="slot-003", limit=5)],
        (SlotRepository, "list_ids"): [lambda r: r.list_ids()],
        (SlotRepository, "list_versions"): [lambda r: r.list_versions("slot-001", before=7, limit=51)],
        (SlotRepository, "find_version"): [lambda r: r.find_version("slot-001", 1)],
        (SlotRepository, "add"): [],
        (SlotRepository, "replace"): [take_slot],
    }


def calls_of_statistics(now: datetime) -> dict[tuple[type[Any], str], list[Callable[[Any], Any]]]:
    hour, slots = hour_of(now), (None, "slot-003")

    def of_slots(call: Callable[[StatsQueries, str | None], Any]) -> list[Callable[[Any], Any]]:
        return [partial(lambda slot, queries: call(queries, slot), slot) for slot in slots]

    return {
        (StatsQueries, "count"): of_slots(lambda q, slot: q.count(now - HOUR, now, slot)),
        (StatsQueries, "sum_hours"): of_slots(lambda q, slot: q.sum_hours(hour - 72 * HOUR, hour, slot)),
        (StatsQueries, "count_processing"): of_slots(lambda q, slot: q.count_processing(slot)),
        (StatsQueries, "list_failures"): [
            *of_slots(lambda q, slot: q.list_failures(now - HOUR, slot, 20)),
            *of_slots(lambda q, slot: q.list_failures(now - 720 * HOUR, slot, 20)),
        ],
        (StatsQueries, "first_received"): [lambda q: q.first_received(), lambda q: q.first_received(hour)],
        (StatsQueries, "first_open"): [lambda q: q.first_open(now)],
        (StatsQueries, "count_failing"): [lambda q: q.count_failing(now - HOUR, now, ["provider-timeout"])],
        (StatsQueries, "keep_hours"): [lambda q: q.keep_hours(hour - HOUR, hour, {})],
        (StatsQueries, "rolled_until"): [lambda q: q.rolled_until()],
        (StatsQueries, "forget_progress"): [lambda q: q.forget_progress()],
        (StatsQueries, "sum_storage"): [],  # of every living object, for the overview
    }


def methods() -> set[tuple[type, str]]:
    """Of every repository in the product."""
    found = set()
    for feature in iter_modules(features.__path__):
        for name in ("repository", "queries"):
            if not find_spec(f"photochanger.features.{feature.name}.{name}"):
                continue
            module = importlib.import_module(f"photochanger.features.{feature.name}.{name}")
            for _, kind in inspect.getmembers(module, inspect.isclass):
                if kind.__module__ == module.__name__:
                    found |= {(kind, name) for name in vars(kind) if not name.startswith("_")}
    return found


def too_much(name: str, node: dict[str, Any]) -> list[str]:
    """What of a plan grows with the table."""
    found = [each for child in node.get("Plans", ()) for each in too_much(name, child)]
    kind, table = node["Node Type"], node.get("Relation Name")
    if kind == "Seq Scan" and table not in SMALL and (name, table) not in MAY_READ:
        found.append(f"reads the whole of {table}")
    if node.get("Rows Removed by Filter", 0) > PAGE:
        found.append(f"looks at {node['Rows Removed by Filter']} rows of {table} in vain")
    if kind == "Sort" and node["Plan Rows"] > PAGE:
        found.append(f"sorts {node['Plan Rows']} rows")
    return found


async def explain(connection: AsyncConnection, sql: str, given: Any) -> dict[str, Any]:
    how = "ANALYZE, TIMING OFF, SUMMARY OFF, FORMAT JSON" if sql.startswith("SELECT") else "FORMAT JSON"
    plan = (await connection.exec_driver_sql(f"EXPLAIN ({how}) {sql}", given)).scalar_one()
    return cast("dict[str, Any]", plan[0]["Plan"])


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    if databases.server is None:
        pytest.skip("runs with --database postgresql")
    database = await fresh_database(tmp_path)
    yield database.engine
    await database.close()


async def test_no_statement_reads_a_whole_table_and_every_index_is_used(engine: AsyncEngine):
    async with engine.connect() as plain:
        connection = await plain.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("SET statement_timeout = 0"))
        await connection.execute(text("SET session_replication_role = replica"))  # foreign keys are not looked up
        for sql in (*FILL, "VACUUM ANALYZE"):
            await connection.exec_driver_sql(sql)
    seen: list[tuple[str, Any]] = []

    def see(_connection: Connection, _cursor: object, sql: str, given: Any, _context: object, _many: object) -> None:
        if not sql.startswith("EXPLAIN"):
            seen.append((sql, given))

    event.listen(engine.sync_engine, "before_cursor_execute", see)
    driven, bad = calls(datetime.now(UTC)), []
    for (kind, name), sends in driven.items():
        for send in sends:
            seen.clear()
            async with Database(engine).read() as session:  # which is rolled back
                sent = send(kind(session))
                if inspect.isawaitable(sent):
                    await sent
                await session.flush()
                connection = await session.connection()
                for sql, given in seen:
                    plan = await explain(connection, sql, given)
                    bad += [(name, sql, said) for said in too_much(name, plan)]
    assert bad == [], "\n".join(f"{name} {said}: {sql}" for name, sql, said in bad)
    assert methods() == set(driven)
    assert await unused_indexes(engine) <= set(LATER)


async def unused_indexes(engine: AsyncEngine) -> set[str]:
    """But those that keep a constraint."""
    async with engine.connect() as connection:
        await connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")
        await connection.commit()
        found = await connection.exec_driver_sql(
            "SELECT indexrelname FROM pg_stat_user_indexes JOIN pg_index USING (indexrelid)"
            " WHERE idx_scan = 0 AND NOT indisunique"
        )
        return set(found.scalars())
