"""Decides what the settings are: saved over environment, environment over default. No HTTP, no SQL."""

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from photochanger.adapters.db.session import Database
from photochanger.core.clock import Clock
from photochanger.core.errors import Problem
from photochanger.core.forms import Mistakes, read_members
from photochanger.features.audit.schemas import Actor
from photochanger.features.audit.service import record
from photochanger.features.settings.models import SavedSettings
from photochanger.features.settings.repository import SettingsRepository
from photochanger.features.settings.schemas import PER_PROVIDER, Settings, SettingsDocument

_FIRST_VERSION = 1


class SettingsService:
    """Nothing is kept between calls: what another process saved holds from its commit on."""

    def __init__(self, database: Database, clock: Clock, defaults: Settings, provider_names: Collection[str]) -> None:
        self._database = database
        self._clock = clock
        self._providers = tuple(provider_names)
        given = msgspec.structs.asdict(defaults)
        values = {
            setting: dict.fromkeys(self._providers, default) | self._known(given[setting])
            for setting, (_, default) in PER_PROVIDER.items()
        }
        self._defaults = msgspec.structs.replace(defaults, **values)
        self._kinds = {
            setting: msgspec.defstruct(setting, [(name, kind, default) for name in self._providers])
            for setting, (kind, default) in PER_PROVIDER.items()
        }

    async def current(self) -> Settings:
        async with self._database.read() as session:
            return self._effective(await SettingsRepository(session).find())

    async def document(self) -> SettingsDocument:
        async with self._database.read() as session:
            saved = await SettingsRepository(session).find()
        return _document(self._effective(saved), _version(saved))

    async def save(self, raw: object, actor: Actor) -> SettingsDocument:
        """Saves the members of `raw` (SettingsDocument); `stale-version` where its `version` is not the current one."""
        mistakes = Mistakes()
        members = self._checked(raw, mistakes)
        mistakes.raise_if_any()
        version = members.pop("version")
        async with self._database.write() as session:
            settings = SettingsRepository(session)
            before = await settings.find()
            effective = self._effective(before)
            saved = self._to_save(before.value if before else {}, effective, members)
            if _version(before) == version and await self._write(settings, before, version, saved, actor):
                after = self._with_saved(saved)
                await record(session, self._clock, actor, "settings.changed", "settings", _changes(effective, after))
                return _document(after, version + 1)
        raise await self._conflict(version, actor)

    async def _write(
        self,
        settings: SettingsRepository,
        before: SavedSettings | None,
        version: int,
        saved: dict[str, Any],
        actor: Actor,
    ) -> bool:
        values = {
            "value": saved,
            "version": version + 1,
            "updated_at": self._clock.now(),
            "updated_by": actor.name,
        }
        if before is None:
            return await settings.add(**values)
        return await settings.replace(expected_version=version, **values)

    async def _conflict(self, stale: int, actor: Actor) -> Problem:
        async with self._database.write() as session:
            current = await SettingsRepository(session).find()
            detail = {"version": stale, "current_version": _version(current)}
            await record(session, self._clock, actor, "settings.conflicted", "settings", detail)
        somebody = current.updated_by if current and current.updated_by else "somebody"
        return Problem(
            "stale-version",
            f"Changed by {somebody} meanwhile. Load the settings again and repeat your change.",
            version=_version(current),
        )

    def _checked(self, raw: object, mistakes: Mistakes) -> dict[str, Any]:
        """The right members of `raw`; every mistake, also of each provider, is in `mistakes`."""
        per_provider = {}
        if isinstance(raw, Mapping):
            per_provider = {name: raw[name] for name in PER_PROVIDER if name in raw}
            raw = {name: value for name, value in raw.items() if name not in PER_PROVIDER}
        members = read_members(SettingsDocument, raw, mistakes)
        for setting, values in per_provider.items():
            members[setting] = read_members(self._kinds[setting], values, mistakes, at=setting)
        if "time_zone" in members and not _is_zone(members["time_zone"]):
            mistakes.add("time_zone", "must be an IANA time zone like Europe/Berlin")
        for index, name in enumerate(members.get("providers_paused", [])):
            if name not in self._providers:
                mistakes.add(f"providers_paused.{index}", "must be one of " + ", ".join(self._providers))
        return members

    def _to_save(self, saved: Mapping[str, Any], effective: Settings, members: dict[str, Any]) -> dict[str, Any]:
        """What nobody touched stays unsaved, so that it goes on following the environment."""
        now = msgspec.structs.asdict(effective)
        inner = {
            setting: _touched(saved.get(setting, {}), now[setting], members.get(setting, {}))
            for setting in PER_PROVIDER
        }
        others = {name: value for name, value in members.items() if name not in PER_PROVIDER}
        return _touched(saved, now, others) | {setting: values for setting, values in inner.items() if values}

    def _effective(self, saved: SavedSettings | None) -> Settings:
        return self._with_saved(saved.value if saved else {})

    def _with_saved(self, saved: Mapping[str, Any]) -> Settings:
        """A provider that was saved and is gone since is left out."""
        defaults = msgspec.structs.asdict(self._defaults)
        values = defaults | dict(saved)
        for setting in PER_PROVIDER:
            values[setting] = defaults[setting] | self._known(saved.get(setting, {}))
        values["providers_paused"] = [name for name in values["providers_paused"] if name in self._providers]
        return Settings(**values)

    def _known(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if name in self._providers}


def day_of(settings: Settings, day: date) -> tuple[datetime, datetime]:
    """When that day of statistics and budgets begins and ends: a party past midnight is one day."""
    begins, zone = time.fromisoformat(settings.day_starts_at), ZoneInfo(settings.time_zone)
    since, until = (datetime.combine(each, begins, zone) for each in (day, day + timedelta(days=1)))
    return since.astimezone(UTC), until.astimezone(UTC)


def date_of(settings: Settings, now: datetime) -> date:
    """The day of statistics and budgets that `now` belongs to."""
    day = now.astimezone(ZoneInfo(settings.time_zone)).date()
    return day if day_of(settings, day)[0] <= now else day - timedelta(days=1)


def _touched(saved: Mapping[str, Any], effective: Mapping[str, Any], members: Mapping[str, Any]) -> dict[str, Any]:
    changed = {name: value for name, value in members.items() if name in saved or value != effective[name]}
    return {**saved, **changed}


def _changes(before: Settings, after: Settings) -> dict[str, Any]:
    old, new = msgspec.structs.asdict(before), msgspec.structs.asdict(after)
    return {name: {"from": old[name], "to": new[name]} for name in new if old[name] != new[name]}


def _document(settings: Settings, version: int) -> SettingsDocument:
    return SettingsDocument(version=version, **msgspec.structs.asdict(settings))


def _version(saved: SavedSettings | None) -> int:
    return saved.version if saved else _FIRST_VERSION


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, LookupError, OSError):  # not a key, no such zone, a folder of zones
        return False
    return True
