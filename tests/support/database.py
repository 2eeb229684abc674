"""A database of a test's own."""

from pathlib import Path

from photochanger.adapters.db.engine import create_engine
from photochanger.adapters.db.migrate import migrate
from photochanger.adapters.db.session import Database
from photochanger.assets import assets


async def fresh_database(path: Path) -> Database:
    """Migrated, in a new file at `path`. Close it."""
    engine = create_engine(f"sqlite+aiosqlite:///{path}")
    await migrate(engine, assets("migrations"))
    return Database(engine)
