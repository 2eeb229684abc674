"""Writes the costs of a day anew: prices may be entered, or corrected, after the photos they are for."""

from datetime import date

from photochanger.features.jobs.service import JobService
from photochanger.features.prices.service import PriceService
from photochanger.features.settings.service import SettingsService, day_of
from photochanger.features.stats.queries import LONGEST_JOB
from photochanger.features.stats.rollup import Rollup


class Ledger:
    def __init__(self, settings: SettingsService, prices: PriceService, jobs: JobService, rollup: Rollup) -> None:
        self._settings = settings
        self._prices = prices
        self._jobs = jobs
        self._rollup = rollup

    async def recompute(self, day: date) -> int:
        """From what vendors told of their work and the price table; of how many jobs the cost changed."""
        since, until = day_of(await self._settings.current(), day)
        changed = await self._jobs.recompute_costs(await self._prices.book(), since, until)
        await self._rollup.rebuild(since - LONGEST_JOB)
        return changed
