"""Runs a slot's chain inside the window: each step one provider, the next one only when it failed."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID

import structlog
from msgspec import Struct

from photochanger.adapters.coordination.breaker import Breaker, Breakers
from photochanger.adapters.coordination.places import NoPlace, Places
from photochanger.adapters.imaging.imaging import Imaging, Prepared, Rendered
from photochanger.adapters.providers.driver import (
    BadAnswer,
    Driver,
    NoImage,
    ProviderError,
    ProviderImage,
    RateLimited,
    Reference,
    Rejected,
    TimedOut,
    TransformRequest,
    Unavailable,
    Unreachable,
)
from photochanger.adapters.providers.registry import Providers
from photochanger.core import limits
from photochanger.core.clock import Clock
from photochanger.core.errors import Problem
from photochanger.features.ingest.plan import (
    LOCAL_RESERVE,
    Plan,
    PlannedStep,
    State,
    first_call,
    is_cut_by_window,
    next_call,
)
from photochanger.features.ingest.window import Window
from photochanger.features.jobs.models import Attempt
from photochanger.features.jobs.service import new_attempt
from photochanger.features.media.inputs import Publish
from photochanger.features.prices.service import PriceBook
from photochanger.features.settings.schemas import Settings
from photochanger.features.slots.schemas import Step

Prepare = Callable[[int], Awaitable[Prepared]]
"""The photo with at most so many pixels."""
Begun = Callable[[list[Attempt]], Awaitable[None]]
"""Writes the last attempt down before the call, so that a crash leaves a trace of possible cost."""
_Begins = Callable[[], Awaitable[None]]

log = structlog.get_logger()


class _CutShort(TimedOut):
    """By the window, not by the step's own `timeout_ms` nor by the vendor."""


class Delivered(Struct, kw_only=True):
    rendered: Rendered
    provider: str


class Order(Struct, kw_only=True):
    """What one job asks of its chain."""

    job_id: UUID
    steps: list[Step]
    only_local: bool
    """Whether steps that may cost are passed over."""
    keep_shape: bool
    prepare: Prepare
    references: tuple[Reference, ...]
    settings: Settings
    window: Window
    prompt_of: Callable[[Step], str]
    """A step's final words."""
    guest_words: tuple[str, ...]
    late_seconds: float
    """How long the last step may go on after the window closed."""
    prices: PriceBook
    """For calls of which the vendor does not say what they cost."""
    keeps_reserve: bool
    """Whether the original is handed back when every step fails, which takes some of the window too."""
    publish: Publish


class ChainRunner:
    def __init__(
        self, *, providers: Providers, imaging: Imaging, places: Places, breakers: Breakers, clock: Clock
    ) -> None:
        self._providers = providers
        self._imaging = imaging
        self._places = places
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
            model=step.model,
            now=self._clock.now(),
            cost_micros=0,
        )
        attempts.append(attempt)
        return attempt

    async def _call(self, order: Order, plan: Plan, state: State, attempt: Attempt, begun: _Begins) -> Delivered:
        step = order.steps[plan.steps[state.at].number]
        breaker = self._breaker(step)
        try:
            delivered = await self._called(order, step, state.ends, attempt, begun)
        except NoPlace:
            attempt.outcome, attempt.error = "skipped", "no place came free in time"
            raise
        except ProviderError as failure:
            attempt.outcome, attempt.error = failure.outcome, str(failure)
            if attempt.cost_micros is None and failure.cost_micros is not None:
                attempt.cost_micros = failure.cost_micros
                if isinstance(failure, NoImage | Rejected):  # an answer, which some vendors bill
                    attempt.cost_micros = _price(order, attempt, has_image=False)
            if isinstance(failure, Unavailable | TimedOut):
                breaker.failed(is_unreachable=isinstance(failure, Unreachable))
            else:
                breaker.went_well()  # it answers
            is_late = isinstance(failure, TimedOut)
            if is_late and is_cut_by_window(state, self._clock.monotonic()):
                raise _CutShort(str(failure)) from failure
            raise
        finally:
            attempt.duration_ms = round((self._clock.now() - attempt.started_at).total_seconds() * 1000)
        attempt.outcome = "delivered"
        breaker.went_well()
        return delivered

    async def _called(self, order: Order, step: Step, ends: float, attempt: Attempt, begun: _Begins) -> Delivered:
        """One call and what it takes: a place, the photo in its size, a picture made ready to be handed out."""
        driver = self._providers.get(step.provider)
        is_local = driver.capabilities.is_local
        seconds = min(ends - self._clock.monotonic(), order.window.left())
        places = order.settings.provider_concurrency.get(step.provider, 1)
        wait_seconds = max(seconds - LOCAL_RESERVE, seconds / 2)  # a place that leaves no time for the call is none
        async with self._places.take(f"provider:{step.provider}", places=places, wait_seconds=wait_seconds):
            prepared = await order.prepare(limits.LOCAL_PIXELS if is_local else limits.REMOTE_PIXELS)
            attempt.cost_micros = 0 if is_local else None  # from here on it may be billed
            await begun()
            began = self._clock.monotonic()
            try:
                async with asyncio.timeout(ends - began):
                    image = await _called(driver, self._request(order, step, driver, prepared, ends))
                    _note(order, attempt, image)
                    rendered = await self._render(order, prepared, image, is_clean=is_local)
            except TimeoutError:
                raise TimedOut(f"no answer within {ends - began:.1f} s") from None
        return Delivered(rendered=rendered, provider=step.provider)

    def _breaker(self, step: Step) -> Breaker:
        driver = self._providers.find(step.provider)
        model = step.model or (driver.model if driver else None)
        return self._breakers.of(f"{step.provider}:{model}" if model else step.provider)

    def _request(
        self, order: Order, step: Step, driver: Driver, prepared: Prepared, deadline: float
    ) -> TransformRequest:
        return TransformRequest(
            photo=prepared.picture,
            operation=step.operation,
            settings=self._providers.settings_of(step.provider, step.operation, step.settings),
            prompt=order.prompt_of(step),
            guest_words=order.guest_words,
            model=step.model,
            references=tuple(each for each in order.references if each.role in driver.capabilities.reference_roles),
            deadline=deadline,
            publish=order.publish,
            width=prepared.source_width,
            height=prepared.source_height,
        )

    async def _render(self, order: Order, prepared: Prepared, image: ProviderImage, *, is_clean: bool) -> Rendered:
        return await self._imaging.render(
            image.data,
            width=prepared.source_width,
            height=prepared.source_height,
            has_alpha=prepared.has_alpha,
            keep_shape=order.keep_shape,
            max_pixels=limits.PIXELS,
            is_clean=is_clean,
        )


async def _called(driver: Driver, request: TransformRequest) -> ProviderImage:
    """A driver's own mistake ends its step, not the photo: the next step may well deliver."""
    try:
        return await driver.transform(request)
    except (ProviderError, TimeoutError, Problem):
        raise
    except Exception as error:
        log.exception("provider.crashed", provider=driver.name)
        raise BadAnswer("the driver crashed") from error


def _note(order: Order, attempt: Attempt, image: ProviderImage) -> None:
    attempt.model = image.model
    attempt.vendor_request_id = image.vendor_request_id
    attempt.usage = dict(image.usage) if image.usage is not None else None
    attempt.cost_micros = image.cost_micros
    if attempt.cost_micros is None:
        attempt.cost_micros = _price(order, attempt, has_image=True)


def _price(order: Order, attempt: Attempt, *, has_image: bool) -> int | None:
    return order.prices.cost(attempt.provider, attempt.model, attempt.usage, attempt.started_at, has_image=has_image)


def _problem_for(failures: list[ProviderError | NoPlace]) -> Problem:
    """504 only when the window cut a call short; a refusal only when every step refused."""
    last = failures[-1] if failures else None
    if failures and all(isinstance(failure, Rejected) for failure in failures):
        return Problem("provider-rejected")
    if isinstance(last, NoPlace):
        return Problem("provider-busy", retry_after=5)
    if isinstance(last, RateLimited):
        return Problem("provider-busy", retry_after=last.retry_after or 5)
    if isinstance(last, _CutShort):
        return Problem("provider-timeout")
    if isinstance(last, BadAnswer):
        return Problem("provider-failed", "The provider's answer was not a usable image. Send the photo again.")
    return Problem("provider-failed")
