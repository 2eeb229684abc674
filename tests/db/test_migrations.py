"""The migrations make the schema that the models describe, and can be undone."""

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect
from sqlalchemy.ext.asyncio import AsyncEngine

from photochanger.adapters.db.migrate import BASE, is_current, migrate
from photochanger.adapters.db.registry import compare_type, metadata
from photochanger.adapters.db.session import Database
from photochanger.assets import assets
from photochanger.features.slots.repository import SlotRepository
from photochanger.features.slots.service import configured


async def test_the_migrated_schema_is_the_models(empty: AsyncEngine):
    await migrate(empty, assets("migrations"))

    def differences(connection: Connection) -> Any:
        context = MigrationContext.configure(
            connection, opts={"compare_type": compare_type, "compare_server_default": True}
        )
        return compare_metadata(context, metadata)

    async with empty.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_migrations_go_up_down_and_up_again(empty: AsyncEngine):
    folder = assets("migrations")
    assert not await is_current(empty, folder)
    for _ in range(2):
        await migrate(empty, folder)
        assert await is_current(empty, folder)
        await migrate(empty, folder)  # nothing to do
        await migrate(empty, folder, to=BASE)
        async with empty.connect() as connection:
            tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
        assert tables == ["alembic_version"]


async def test_fifteen_slots_are_seeded(empty: AsyncEngine):
    await migrate(empty, assets("migrations"))
    async with Database(empty).read() as session:
        slots = [configured(slot) for slot in await SlotRepository(session).list_page()]
    assert [slot.slot_id for slot in slots] == [f"slot-{number:03}" for number in range(1, 16)]
    assert all(slot.enabled and slot.password_hash is None for slot in slots)
    assert all(slot.config.gallery.access == "open" for slot in slots)
    assert all(step.provider == "darkroom" for slot in slots for step in slot.config.chain)
    assert len({slot.link_token for slot in slots}) == 15
