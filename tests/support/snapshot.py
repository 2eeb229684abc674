"""A product as it was at its start, again and again: a test of its own for a tenth of what starting one costs."""

from typing import Any

from photochanger.adapters.db.registry import metadata
from tests.support.product import Product


class Snapshot:
    """Every row, no stored file, the clock. What is only in memory stays: rates, and passwords that were right."""

    def __init__(self, product: Product, rows: dict[str, list[dict[str, Any]]]) -> None:
        self._product = product
        self._rows = rows

    @classmethod
    async def take(cls, product: Product) -> "Snapshot":
        async with product.parts.database.read() as session:
            rows = {
                table.name: [dict(row) for row in (await session.execute(table.select())).mappings()]
                for table in metadata.sorted_tables
            }
        return cls(product, rows)

    async def restore(self) -> None:
        product = self._product
        await product.parts.runner.drain()
        await product.parts.retention.settled()
        async with product.parts.database.write() as session:
            for table in reversed(metadata.sorted_tables):
                await session.execute(table.delete())
            for table in metadata.sorted_tables:
                if rows := self._rows[table.name]:
                    await session.execute(table.insert(), rows)
        async for found in product.parts.store.list():
            if not found.key.startswith("template/"):
                await product.parts.store.delete(found.key)
        product.clock.restart()
