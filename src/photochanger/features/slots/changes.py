"""Reads what somebody wants changed about a slot, and says what is wrong with it. Pure: no database."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from photochanger.core.forms import Mistakes, read_members
from photochanger.features.slots.schemas import Budget, Gallery, GalleryInput, SlotConfig, SlotInput, Step

StepCheck = Callable[[str, str, Mapping[str, Any], Mistakes, str], object]
"""Reports what is wrong with a step's provider, operation and settings, at a path like `chain.0`."""

_PASSWORD_BYTES = range(4, 1025)
_CONFIG_MEMBERS = frozenset(SlotConfig.__struct_fields__)


class Change(Struct, kw_only=True):
    """The members that were sent, right and converted; what was left out is not in it."""

    version: int = 0
    slot_id: str | None = None
    name: str | None = None
    enabled: bool | None = None
    password: str | UnsetType | None = UNSET
    pin: str | UnsetType = UNSET
    members: dict[str, Any]
    gallery: dict[str, Any]
    budget: dict[str, Any]

    def apply(self, config: SlotConfig) -> SlotConfig:
        gallery = msgspec.structs.replace(config.gallery, **self.gallery)
        budget = msgspec.structs.replace(config.budget, **self.budget)
        return msgspec.structs.replace(config, **self.members, gallery=gallery, budget=budget)

    @property
    def named(self) -> list[str]:
        """What the audit log says was sent."""
        plain = [name for name in ("name", "enabled") if getattr(self, name) is not None]
        secret = [name for name in ("password", "pin") if getattr(self, name) is not UNSET]
        nested = [f"gallery.{name}" for name in self.gallery] + [f"budget.{name}" for name in self.budget]
        return sorted([*plain, *secret, *self.members, *nested])


def read_change(kind: type[SlotInput], raw: object, mistakes: Mistakes) -> Change:
    """`raw` as a change. Members inside `gallery` and `budget` may be left out one by one, too."""
    outer = dict(raw) if isinstance(raw, Mapping) else raw
    gallery: dict[str, Any] = {}
    budget: dict[str, Any] = {}
    if isinstance(outer, dict):
        if "gallery" in outer:
            gallery = read_members(GalleryInput, outer.pop("gallery"), mistakes, at="gallery")
        if "budget" in outer:
            budget = read_members(Budget, outer.pop("budget"), mistakes, at="budget")
    found = read_members(kind, outer, mistakes)
    password = found.get("password", UNSET)
    if isinstance(password, str) and len(password.encode()) not in _PASSWORD_BYTES:
        mistakes.add("password", "must be a text from 4 to 1024 bytes")
    pin = gallery.pop("pin", None)
    gallery.pop("url", None)
    return Change(
        version=found.get("version", 0),
        slot_id=found.get("slot_id"),
        name=found.get("name"),
        enabled=found.get("enabled"),
        password=password,
        pin=UNSET if pin is None else pin,
        members={name: value for name, value in found.items() if name in _CONFIG_MEMBERS},
        gallery={name: value for name, value in gallery.items() if name in Gallery.__struct_fields__},
        budget=budget,
    )


def check_chains(change: Change, check_step: StepCheck, mistakes: Mistakes) -> None:
    """The chains that were sent, each step against its driver; names that are given twice."""
    for index, step in enumerate(change.members.get("chain", [])):
        _check(step, check_step, mistakes, f"chain.{index}")
    for place, style in enumerate(change.members.get("styles", [])):
        for index, step in enumerate(style.chain):
            _check(step, check_step, mistakes, f"styles.{place}.chain.{index}")
    for member, key in (("styles", "name"), ("variables", "name"), ("template_media", "role")):
        names = [getattr(item, key) for item in change.members.get(member, [])]
        for index, name in enumerate(names):
            if name in names[:index]:
                mistakes.add(f"{member}.{index}.{key}", "is given twice")


def _check(step: Step, check_step: StepCheck, mistakes: Mistakes, at: str) -> None:
    check_step(step.provider, step.operation, step.settings, mistakes, at)
