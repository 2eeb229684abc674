"""What a slot may spend in a day and in a month, and what becomes of its photos once it did.

Counted are jobs that have ended: photos that run at the same time may go beyond a budget by what they cost together.
"""

from collections.abc import Awaitable, Callable
from typing import Literal

from msgspec import Struct

from photochanger.core.clock import Clock
from photochanger.core.errors import Problem
from photochanger.features.ingest.schemas import Work
from photochanger.features.jobs.service import JobService, add_note
from photochanger.features.settings.schemas import Settings
from photochanger.features.settings.service import SettingsService, date_of, day_of
from photochanger.features.slots.schemas import ConfiguredSlot
from photochanger.features.slots.service import SlotService

RaiseAlert = Callable[..., Awaitable[None]]


class Spent(Struct, frozen=True):
    """A budget that is used up."""

    period: Literal["day", "month"]
    spent_micros: int
    budget_micros: int


class Budgets:
    def __init__(
        self, *, jobs: JobService, settings: SettingsService, slots: SlotService, clock: Clock, raise_alert: RaiseAlert
    ) -> None:
        self._jobs = jobs
        self._settings = settings
        self._slots = slots
        self._clock = clock
        self._raise_alert = raise_alert

    async def may_spend(self, work: Work) -> bool:
        """Whether every step may run, not only the local ones. Raises `provider-failed` where none may."""
        spent = await self._find_spent(work.slot, work.settings)
        if spent is None:
            return True
        slot_id, action = work.slot.slot_id, work.slot.config.budget.action
        used_up = f"The slot's budget of this {spent.period} is used up"
        text = f"{used_up}: {spent.spent_micros / 1e6:.2f} of {spent.budget_micros / 1e6:.2f}."
        numbers = {"spent_micros": spent.spent_micros, "budget_micros": spent.budget_micros}
        if not work.job.is_test:  # a draft's budget is not the slot's
            await self._raise_alert("budget", slot_id, text, period=spent.period, action=action, **numbers)
        if action == "alert":
            return True
        done = "only local steps ran" if action == "darkroom" else "no step ran"
        add_note(work.job, f"{used_up}: {done}.")
        if action == "stop":
            raise Problem("provider-failed", f"{used_up}. An administrator can raise it; sending again does not help.")
        return False

    async def is_spent(self, slot_id: str) -> bool:
        return await self._find_spent(await self._slots.get(slot_id), await self._settings.current()) is not None

    async def _find_spent(self, slot: ConfiguredSlot, settings: Settings) -> Spent | None:
        """None where there is money left. Nothing is looked up for a slot without a budget."""
        budget, today = slot.config.budget, date_of(settings, self._clock.now())
        periods: tuple[tuple[Literal["day", "month"], int | None], ...] = (
            ("day", budget.daily_micros),
            ("month", budget.monthly_micros),
        )
        for period, budget_micros in periods:
            if budget_micros is None:
                continue
            since, _ = day_of(settings, today if period == "day" else today.replace(day=1))
            spent_micros = await self._jobs.sum_spent(slot.slot_id, since)
            if spent_micros >= budget_micros:
                return Spent(period, spent_micros, budget_micros)
        return None
