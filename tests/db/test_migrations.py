"""The migrations make the schema that the models describe, and can be undone."""

from pathlib import Path
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect

from photochanger.adapters.db.engine import create_engine
from photochanger.adapters.db.migrate import BASE, is_current, migrate
from photochanger.adapters.db.registry import compare_type, metadata
from photochanger.adapters.db.session import Database
from photochanger.assets import assets
from photochanger.features.slots.repository import SlotRepository
from photochanger.features.slots.service import configured


async def test_the_migrated_schema_is_the_models(tmp_path: Path):
    engine = create_engine(f"sqlite+aiosqlite:///{tmp_path}/test.db")
    await migrate(engine, assets("migrations"))

    def differences(connection: Connection) -> Any:
        context = MigrationContext.configure(
            connection, opts={"compare_type": compare_type, "compare_server_default": True}
        )
        return compare_metadata(context, metadata)

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


async def test_migrations_go_up_down_and_up_again(tmp_path: Path):
    engine = create_engine(f"sqlite+aiosqlite:///{tmp_path}/test.db")
    folder = assets("migrations")
    assert not await is_current(engine, folder)
    for _ in range(2):
        await migrate(engine, folder)
        assert await is_current(engine, folder)
        await migrate(engine, folder)  # nothing to do
        await migrate(engine, folder, to=BASE)
        async with engine.connect() as connection:
            tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
        assert tables == ["alembic_version"]
    await engine.dispose()


async def test_fifteen_slots_are_seeded(tmp_path: Path):
    engine = create_engine(f"sqlite+aiosqlite:///{tmp_path}/test.db")
    await migrate(engine, assets("migrations"))
    async with Database(engine).read() as session:
        slots = [configured(slot) for slot in await SlotRepository(session).list_page()]
    assert [slot.slot_id for slot in slots] == [f"slot-{number:03}" for number in range(1, 16)]
    assert all(slot.enabled and slot.password_hash is None for slot in slots)
    assert all(slot.config.gallery.access == "open" for slot in slots)
    assert all(step.provider == "darkroom" for slot in slots for step in slot.config.chain)
    assert len({slot.link_token for slot in slots}) == 15
    await engine.dispose()
