"""Decisions about slots: who may send to one, and how its configuration changes. No HTTP, no SQL."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn
from weakref import WeakValueDictionary

import msgspec
from msgspec import UNSET

from photochanger.adapters.coordination.rate import Rates
from photochanger.adapters.db.session import Database
from photochanger.adapters.passwords import Passwords, VerifiedPasswords
from photochanger.core.clock import Clock
from photochanger.core.errors import Problem
from photochanger.core.forms import Mistakes, invalid
from photochanger.core.ids import new_token
from photochanger.features.audit.schemas import Actor
from photochanger.features.audit.service import record
from photochanger.features.settings.service import SettingsService
from photochanger.features.slots.changes import Change, StepCheck, check_chains, read_change
from photochanger.features.slots.models import Slot, SlotVersion
from photochanger.features.slots.repository import SlotRepository
from photochanger.features.slots.schemas import ConfiguredSlot, DraftInput, NewSlotInput, SlotConfig, SlotInput

WRONG_PER_MINUTE = 10

TemplateExists = Callable[[str], Awaitable[bool]]


class SlotService:
    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        settings: SettingsService,
        passwords: Passwords,
        verified: VerifiedPasswords,
        rates: Rates,
        check_step: StepCheck,
        template_exists: TemplateExists,
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._passwords = passwords
        self._verified = verified
        self._rates = rates
        self._check_step = check_step
        self._template_exists = template_exists
        self._guesses: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        """One guess at a time for each slot and address, so that guesses made at once cannot outrun their count."""

    async def get(self, slot_id: str) -> ConfiguredSlot:
        """Raises `slot-not-found`."""
        async with self._database.read() as session:
            slot = await SlotRepository(session).find(slot_id)
        if slot is None:
            raise Problem("slot-not-found")
        return configured(slot)

    async def list_page(self, *, after: str = "", limit: int) -> list[ConfiguredSlot]:
        async with self._database.read() as session:
            return [configured(slot) for slot in await SlotRepository(session).list_page(after=after, limit=limit)]

    async def gallery_of(self, slot_id: str) -> ConfiguredSlot:
        """The slot whose gallery shows this slot's photos, and whose access holds for them."""
        slot, seen = await self.get(slot_id), {slot_id}
        while (of := slot.config.gallery.of) is not None and of not in seen:
            seen.add(of)
            slot = await self.get(of)
        return slot

    async def list_sharing(self, gallery: ConfiguredSlot) -> list[str]:
        """The slots whose photos the gallery shows."""
        async with self._database.read() as session:
            shared = {
                slot.slot_id: configured(slot).config.gallery.of for slot in await SlotRepository(session).list_page()
            }
        found = {gallery.slot_id}
        while more := {slot_id for slot_id, of in shared.items() if of in found} - found:
            found |= more
        return sorted(found)

    async def authorise(self, slot: ConfiguredSlot, password: str | None, address: str) -> None:
        """Lets a sender in, or raises `slot-credentials-invalid`, or `login-locked` after too many wrong passwords.

        A password that was right within the last ten minutes costs no hash and passes the lock.
        """
        if slot.password_hash is None:
            raise Problem("slot-credentials-invalid", "The slot has no password yet; an administrator sets one.")
        if password is None:
            raise Problem("slot-credentials-invalid")
        if self._verified.remembers(slot.slot_id, slot.password_hash, password):
            return
        limit = ("slot-password", WRONG_PER_MINUTE, 60, slot.slot_id, address)
        async with self._guesses.setdefault((slot.slot_id, address), asyncio.Lock()):
            wait = await self._rates.wait_for(*limit)
            is_right = self._verified.remembers(slot.slot_id, slot.password_hash, password)
            if wait is not None and not is_right:
                raise Problem("login-locked", retry_after=wait)
            if not await self._verified.verify(slot.slot_id, slot.password_hash, password):
                await self._rates.hit(*limit)
                raise Problem("slot-credentials-invalid")

    async def change(self, slot_id: str, raw: object, actor: Actor) -> ConfiguredSlot:
        """Changes what `raw` (SlotInput) names where its `version` is still the slot's; else `stale-version`."""
        before = await self.get(slot_id)
        mistakes = Mistakes()
        change = read_change(SlotInput, raw, mistakes)
        after = await self._changed(before, change, actor, mistakes)
        async with self._database.write() as session:
            slots = SlotRepository(session)
            await slots.lock()
            if change.version == before.version and await slots.replace(row_of(after), version=before.version):
                await _refuse_loop(slots, after)  # again: another slot may have been changed meanwhile
                await record(session, self._clock, actor, "slot.changed", slot_id, {"members": change.named})
                return after
        return await self._refuse_stale(slot_id, actor)

    async def draft(self, slot_id: str, raw: object, actor: Actor) -> ConfiguredSlot:
        """The slot as it would be with what `raw` (DraftInput) names. Nothing is saved."""
        before = await self.get(slot_id)
        mistakes = Mistakes()
        change = read_change(DraftInput, raw, mistakes)
        after = await self._changed(before, change, actor, mistakes)
        return msgspec.structs.replace(after, version=before.version)

    async def create(self, raw: object, actor: Actor) -> ConfiguredSlot:
        """Makes a slot of `raw` (NewSlotInput); `slot-limit-reached` beyond the setting `max_slots`."""
        mistakes = Mistakes()
        change = read_change(NewSlotInput, raw, mistakes)
        slot = await self._changed(self._blank(actor), change, actor, mistakes)
        maximum = (await self._settings.current()).max_slots
        async with self._database.write() as session:
            slots = SlotRepository(session)
            await slots.lock()
            taken = await slots.list_ids()
            if len(taken) >= maximum:
                raise Problem(
                    "slot-limit-reached", f"There are {len(taken)} of {maximum} slots; raise max_slots first."
                )
            slot_id = change.slot_id or next(name for name in map(_slot_id, range(1, 1000)) if name not in taken)
            if slot_id in taken:
                raise Problem("slot-exists")
            slot = msgspec.structs.replace(slot, slot_id=slot_id, name=change.name or slot_id, version=1)
            await slots.add(row_of(slot))
            await record(session, self._clock, actor, "slot.created", slot_id)
        return slot

    async def list_versions(self, slot_id: str, *, before: int | None, limit: int) -> list[SlotVersion]:
        """Newest first. Raises `slot-not-found`."""
        await self.get(slot_id)
        async with self._database.read() as session:
            return await SlotRepository(session).list_versions(slot_id, before=before, limit=limit)

    async def restore(self, slot_id: str, version: int, actor: Actor) -> ConfiguredSlot:
        """Name and configuration as they were, as a new version. Passwords, and whether it is on, stay as they are."""
        current = await self.get(slot_id)
        found = None
        if version <= current.version:
            async with self._database.read() as session:
                found = await SlotRepository(session).find_version(slot_id, version)
        if found is None:
            raise Problem("version-not-found")
        return await self.change(slot_id, found.config | {"version": current.version, "name": found.name}, actor)

    async def set_password(self, slot_id: str, password: str, actor: Actor) -> None:
        slot = await self.get(slot_id)
        await self.change(slot_id, {"version": slot.version, "password": password}, actor)

    async def _changed(
        self, before: ConfiguredSlot, change: Change, actor: Actor, mistakes: Mistakes
    ) -> ConfiguredSlot:
        """The slot after the change; `validation-failed` with every mistake."""
        check_chains(change, self._check_step, mistakes)
        config = change.apply(before.config)
        await self._check_references(before, change, mistakes)
        if change.gallery.get("access") == "pin" and change.pin is UNSET and before.pin_hash is None:
            mistakes.add("gallery.pin", "is required: the gallery has no PIN yet")
        mistakes.raise_if_any()
        password_hash, pin_hash = before.password_hash, before.pin_hash
        if change.password is not UNSET:
            password_hash = None if change.password is None else await self._passwords.hash(change.password)
        if change.pin is not UNSET:
            pin_hash = await self._passwords.hash(change.pin)
        return msgspec.structs.replace(
            before,
            name=change.name or before.name,
            enabled=before.enabled if change.enabled is None else change.enabled,
            version=before.version + 1,
            config=config,
            password_hash=password_hash,
            pin_hash=pin_hash,
            updated_at=self._clock.now(),
            updated_by=actor.name,
        )

    async def _check_references(self, before: ConfiguredSlot, change: Change, mistakes: Mistakes) -> None:
        for index, template in enumerate(change.members.get("template_media", [])):
            if not await self._template_exists(template.media_id):
                mistakes.add(f"template_media.{index}.media_id", "is not an uploaded template")
        async with self._database.read() as session:
            mistake = await _mistake_in_sharing(SlotRepository(session), before.slot_id, change.gallery.get("of"))
        if mistake is not None:
            mistakes.add("gallery.of", mistake)

    async def _refuse_stale(self, slot_id: str, actor: Actor) -> NoReturn:
        current = await self.get(slot_id)
        async with self._database.write() as session:
            await record(session, self._clock, actor, "slot.conflicted", slot_id)
        detail = f"Changed by {current.updated_by} meanwhile. Load the slot again and repeat your change."
        raise Problem("stale-version", detail, version=current.version)

    def _blank(self, actor: Actor) -> ConfiguredSlot:
        return ConfiguredSlot(
            slot_id="",
            name="",
            enabled=True,
            version=0,
            config=msgspec.convert({"chain": [{"provider": "darkroom", "operation": "black_and_white"}]}, SlotConfig),
            password_hash=None,
            pin_hash=None,
            link_token=new_token(),
            updated_at=self._clock.now(),
            updated_by=actor.name,
        )


async def _mistake_in_sharing(slots: SlotRepository, slot_id: str, of: str | None) -> str | None:
    """What is wrong with showing this slot's photos in the gallery `of`."""
    seen = {slot_id}
    while of is not None:
        if of in seen:
            return "would lead back to this slot"
        seen.add(of)
        slot = await slots.find(of)
        if slot is None:
            return "must be a slot"
        of = configured(slot).config.gallery.of
    return None


async def _refuse_loop(slots: SlotRepository, slot: ConfiguredSlot) -> None:
    mistake = await _mistake_in_sharing(slots, slot.slot_id, slot.config.gallery.of)
    if mistake is not None:
        raise invalid("gallery.of", mistake)


def _slot_id(number: int) -> str:
    return f"slot-{number:03}"


def configured(slot: Slot) -> ConfiguredSlot:
    return ConfiguredSlot(
        **{name: getattr(slot, name) for name in ConfiguredSlot.__struct_fields__ if name != "config"},
        config=msgspec.convert(slot.config, SlotConfig),
    )


def row_of(slot: ConfiguredSlot) -> Slot:
    values = {name: getattr(slot, name) for name in ConfiguredSlot.__struct_fields__}
    return Slot(**values | {"config": msgspec.to_builtins(slot.config)})
