"""All SQL about the database itself."""

from datetime import UTC, datetime

from sqlalchemy import func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession


async def database_time(session: AsyncSession) -> datetime:
    """The database's clock. An embedded database shares ours; a server has its own."""
    if session.get_bind().dialect.name == "sqlite":
        found = await session.scalar(select(func.strftime(literal_column("'%Y-%m-%dT%H:%M:%f'"), "now")))
        return datetime.fromisoformat(str(found)).replace(tzinfo=UTC)
    moment: datetime | None = await session.scalar(select(func.clock_timestamp()))
    assert moment is not None  # noqa: S101 – a function without a FROM always gives one row
    return moment.astimezone(UTC)
