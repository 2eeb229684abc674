"""Runs a slot's chain inside the window: each step one provider, the next one only when it failed."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import structlog
from msgspec import Struct

from photochanger.adapters.coordination.places import NoPlace, Places
from photochanger.adapters.imaging.imaging import Imaging, Prepared, Rendered
from photochanger.adapters.providers.driver import (
    BadAnswer,
    Driver,
    ProviderError,
    ProviderImage,
    RateLimited,
    Reference,
    Rejected,
    TimedOut,
    TransformRequest,
)
from photochanger.adapters.providers.registry import Providers
from photochanger.core import limits
from photochanger.core.clock import Clock
from photochanger.core.errors import Problem
from photochanger.features.ingest.window import LOCAL_RESERVE, Window
from photochanger.features.jobs.models import Attempt
from photochanger.features.jobs.service import new_attempt
from photochanger.features.media.inputs import Publish
from photochanger.features.settings.schemas import Settings
from photochanger.features.slots.schemas import Step

Prepare = Callable[[int], Awaitable[Prepared]]
"""The photo with at most so many pixels."""
Begun = Callable[[Attempt], Awaitable[None]]
"""Writes the attempt down before the call, so that a crash leaves a trace of possible cost."""


log = structlog.get_logger()

_NO_TIME = 1.0
"""Seconds before a step's end from which on being late is the window's doing."""


class _CutShort(TimedOut):
    """By the window, not by the step's own `timeout_ms` nor by the vendor."""


class Delivered(Struct, kw_only=True):
    rendered: Rendered
    provider: str


class Order(Struct, kw_only=True):
    """What one job asks of its chain."""

    job_id: UUID
    steps: list[Step]
    keep_shape: bool
    prepare: Prepare
    references: tuple[Reference, ...]
    settings: Settings
    window: Window
    keeps_reserve: bool
    """Whether the original is handed back when every step fails, which takes some of the window too."""
    publish: Publish


class ChainRunner:
    def __init__(self, *, providers: Providers, imaging: Imaging, places: Places, clock: Clock) -> None:
        self._providers = providers
        self._imaging = imaging
        self._places = places
        self._clock = clock

    def starts_local(self, steps: list[Step]) -> bool:
        return self._is_local(steps[0])

    def _is_local(self, step: Step) -> bool:
        driver = self._providers.find(step.provider)
        return driver is not None and driver.capabilities.is_local

    async def run(self, order: Order, attempts: list[Attempt], begun: Begun) -> Delivered:
        """The first picture a step delivers. Raises the problem that tells how the last step failed."""
        failures: list[ProviderError | NoPlace] = []
        steps = [each for each in enumerate(order.steps) if each[1].provider not in order.settings.providers_paused]
        for index, (number, step) in enumerate(steps):
            attempt = new_attempt(
                order.job_id,
                number=len(attempts) + 1,
                step=number,
                provider=step.provider,
                model=step.model,
                now=self._clock.now(),
                cost_micros=0,
            )
            attempts.append(attempt)
            after = [self._is_local(each) for _, each in steps[index + 1 :]]
            try:
                return await self._step(order, step, after, attempt, begun)
            except (ProviderError, NoPlace) as failure:
                failures.append(failure)
                attempt.outcome = failure.outcome if isinstance(failure, ProviderError) else "skipped"
                attempt.error = str(failure) or "no place came free in time"
            finally:
                attempt.duration_ms = round((self._clock.now() - attempt.started_at).total_seconds() * 1000)
        raise _problem_for(failures)

    async def _step(self, order: Order, step: Step, after: list[bool], attempt: Attempt, begun: Begun) -> Delivered:
        """`after` says of each step that follows whether it is a local one."""
        driver = self._providers.get(step.provider)
        is_local = driver.capabilities.is_local
        seconds = order.window.share(
            local_after=sum(after) + order.keeps_reserve, remote_after=after.count(False), timeout_ms=step.timeout_ms
        )
        places = order.settings.provider_concurrency.get(step.provider, 1)
        deadline = self._clock.monotonic() + seconds
        wait_seconds = max(seconds - LOCAL_RESERVE, seconds / 2)  # a place that leaves no time for the call is none
        async with self._places.take(f"provider:{step.provider}", places=places, wait_seconds=wait_seconds):
            prepared = await order.prepare(limits.LOCAL_PIXELS if is_local else limits.REMOTE_PIXELS)
            attempt.cost_micros = 0 if is_local else None  # from here on it may be billed
            await begun(attempt)
            try:
                async with order.window.limit(deadline - self._clock.monotonic()):
                    image = await _called(driver, self._request(order, step, driver, prepared, deadline))
                    _note(attempt, image)
                    rendered = await self._render(order, prepared, image, is_clean=is_local)
            except (TimeoutError, TimedOut) as late:
                is_own = step.timeout_ms is not None and seconds == step.timeout_ms / 1000
                is_cut = not is_own and deadline - self._clock.monotonic() < _NO_TIME
                raise (_CutShort if is_cut else TimedOut)(str(late) or f"no answer within {seconds:.1f} s") from None
        attempt.outcome = "delivered"
        return Delivered(rendered=rendered, provider=step.provider)

    def _request(
        self, order: Order, step: Step, driver: Driver, prepared: Prepared, deadline: float
    ) -> TransformRequest:
        return TransformRequest(
            photo=prepared.picture,
            operation=step.operation,
            settings=self._providers.settings_of(step.provider, step.operation, step.settings),
            prompt=step.prompt,
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


def _note(attempt: Attempt, image: ProviderImage) -> None:
    attempt.model = image.model
    attempt.vendor_request_id = image.vendor_request_id
    attempt.usage = dict(image.usage) if image.usage is not None else None
    attempt.cost_micros = image.cost_micros


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
