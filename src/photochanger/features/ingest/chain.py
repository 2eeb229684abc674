"""Runs a slot's chain inside the window: each step one provider, the next one only when it failed."""

import asyncio
from functools import partial

from photochanger.adapters.coordination.breaker import Breaker, Breakers
from photochanger.adapters.coordination.places import NoPlace
from photochanger.adapters.providers.driver import (
    BadAnswer,
    NoImage,
    ProviderError,
    RateLimited,
    Rejected,
    TimedOut,
    Unavailable,
    Unreachable,
)
from photochanger.adapters.providers.registry import Providers
from photochanger.core.clock import Clock
from photochanger.core.errors import Problem
from photochanger.features.ingest.call import Begins, Begun, Calls, Delivered, NotCalled, Order, price
from photochanger.features.ingest.plan import (
    Plan,
    PlannedStep,
    State,
    first_call,
    is_cut_by_window,
    next_call,
)
from photochanger.features.jobs.models import Attempt
from photochanger.features.jobs.service import new_attempt
from photochanger.features.slots.schemas import Step


class _CutShort(TimedOut):
    """By the window, not by the step's own `timeout_ms` nor by the vendor."""


class ChainRunner:
    def __init__(self, calls: Calls, *, providers: Providers, breakers: Breakers, clock: Clock) -> None:
        self._calls = calls
        self._providers = providers
        self._breakers = breakers
        self._clock = clock

    def is_local(self, step: Step) -> bool:
        driver = self._providers.find(step.provider)
        return driver is not None and driver.capabilities.is_local

    async def run(self, order: Order, attempts: list[Attempt], begun: Begun) -> Delivered:
        """The first picture a step delivers. Raises the problem that tells how the last step failed."""
        plan = self._plan(order)
        failures: list[ProviderError | NoPlace] = []

        def skips(planned: PlannedStep) -> bool:
            step = order.steps[planned.number]
            is_down = self._breaker(step).refuses()
            if is_down:
                attempt = self._attempt(order, planned, attempts)
                attempt.outcome, attempt.error, attempt.duration_ms = "skipped", "the provider is down", 0
            return is_down

        call = first_call(plan, self._clock.monotonic(), skips)
        while call is not None:
            await asyncio.sleep(call.after - self._clock.monotonic())
            attempt = self._attempt(order, plan.steps[call.state.at], attempts)
            try:
                return await self._call(order, plan, call.state, attempt, partial(begun, attempts))
            except (ProviderError, NoPlace) as failure:
                failures.append(failure)
                call = next_call(plan, call.state, self._clock.monotonic(), failure, skips)
        raise _problem_for(failures)

    def _plan(self, order: Order) -> Plan:
        return Plan(
            steps=[
                PlannedStep(number, self.is_local(step), step.timeout_ms and step.timeout_ms / 1000)
                for number, step in enumerate(order.steps)
                if step.provider not in order.settings.providers_paused
                and (not order.only_local or self.is_local(step))
            ],
            started=order.window.started,
            window=order.window.seconds,
            late=order.late_seconds,
            keeps_reserve=order.keeps_reserve,
        )

    def _attempt(self, order: Order, planned: PlannedStep, attempts: list[Attempt]) -> Attempt:
        step = order.steps[planned.number]
        attempt = new_attempt(
            order.job_id,
            number=len(attempts) + 1,
            step=planned.number,
            provider=step.provider,
            model=self._model(step),
            now=self._clock.now(),
            cost_micros=0,
        )
        attempts.append(attempt)
        return attempt

    async def _call(self, order: Order, plan: Plan, state: State, attempt: Attempt, begun: Begins) -> Delivered:
        step = order.steps[plan.steps[state.at].number]
        breaker, began = self._breaker(step), self._clock.monotonic()
        try:
            delivered = await self._calls.make(order, step, state.ends, attempt, begun)
        except NoPlace as failure:
            attempt.outcome, attempt.error = "skipped", str(failure)
            raise
        except ProviderError as failure:
            attempt.outcome, attempt.error = failure.outcome, str(failure)
            if attempt.cost_micros is None and failure.cost_micros is not None:
                attempt.cost_micros = failure.cost_micros
                if isinstance(failure, NoImage | Rejected):  # an answer, which some vendors bill
                    attempt.cost_micros = price(order, attempt, has_image=False)
            if isinstance(failure, NotCalled):
                attempt.cost_micros = 0
            elif isinstance(failure, Unavailable | TimedOut):
                breaker.failed(is_unreachable=isinstance(failure, Unreachable))
            else:
                breaker.went_well()  # it answers
            is_late = isinstance(failure, TimedOut)
            if is_late and is_cut_by_window(state, self._clock.monotonic()):
                raise _CutShort(str(failure)) from failure
            raise
        finally:
            attempt.duration_ms = round((self._clock.monotonic() - began) * 1000)
        attempt.outcome = "delivered"
        breaker.went_well()
        return delivered

    def _breaker(self, step: Step) -> Breaker:
        model = self._model(step)
        return self._breakers.of(f"{step.provider}:{model}" if model else step.provider)

    def _model(self, step: Step) -> str | None:
        driver = self._providers.find(step.provider)
        return step.model or (driver.model if driver else None)


def _problem_for(failures: list[ProviderError | NoPlace]) -> Problem:
    """504 only when the window cut a call short; a refusal only when every step refused."""
    last = failures[-1] if failures else None
    if failures and all(isinstance(failure, Rejected) for failure in failures):
        return Problem("provider-rejected")
    if isinstance(last, NoPlace | RateLimited):
        return Problem("provider-busy", retry_after=last.retry_after or 5)
    if isinstance(last, _CutShort):
        return Problem("provider-timeout")
    if isinstance(last, BadAnswer):
        return Problem("provider-failed", "The provider's answer was not a usable image. Send the photo again.")
    return Problem("provider-failed")
