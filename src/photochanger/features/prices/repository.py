"""All SQL about prices."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from photochanger.features.prices.models import Price


class PriceRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def list_all(self) -> list[Price]:
        found = select(Price).order_by(Price.provider, Price.model, Price.unit, Price.valid_from)
        return list(await self._session.scalars(found))

    async def find(self, provider: str, model: str, unit: str, valid_from: datetime) -> Price | None:
        return await self._session.get(Price, (provider, model, unit, valid_from))

    async def put(self, price: Price) -> None:
        await self._session.merge(price)
