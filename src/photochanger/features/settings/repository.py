"""All SQL about settings: one row holds every saved member."""

from typing import Any

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from photochanger.adapters.db.statements import insert_for
from photochanger.features.settings.models import SavedSettings

_KEY = "global"


class SettingsRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def find(self) -> SavedSettings | None:
        return await self._session.get(SavedSettings, _KEY)

    async def add(self, **values: Any) -> bool:
        """Writes the first row; False where another one was faster."""
        done = await self._session.execute(
            insert_for(self._session, SavedSettings)
            .values(key=_KEY, **values)
            .on_conflict_do_nothing()
            .returning(SavedSettings.version)
        )
        return done.first() is not None

    async def replace(self, *, expected_version: int, **values: Any) -> bool:
        """Writes where the row still has `expected_version`; False is a conflict."""
        done = await self._session.execute(
            update(SavedSettings)
            .where(SavedSettings.key == _KEY, SavedSettings.version == expected_version)
            .values(**values)
            .returning(SavedSettings.version)
        )
        return done.first() is not None
