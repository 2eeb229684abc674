"""One call of a step: its place, the photo in its size, the vendor's picture made ready to be handed out."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec
import structlog
from msgspec import Struct

from photochanger.adapters.coordination.places import Places
from photochanger.adapters.imaging.imaging import Imaging, Prepared, Rendered
from photochanger.adapters.providers.driver import (
    BadAnswer,
    Driver,
    ProviderError,
    ProviderImage,
    Reference,
    TimedOut,
    TransformRequest,
)
from photochanger.adapters.providers.registry import Providers
from photochanger.adapters.providers.vendor import quoted
from photochanger.core import limits
from photochanger.core.clock import Clock
from photochanger.core.documents import parse_json
from photochanger.core.errors import Problem
from photochanger.features.ingest.plan import LOCAL_RESERVE
from photochanger.features.ingest.window import Window
from photochanger.features.jobs.models import Attempt
from photochanger.features.media.inputs import Publish
from photochanger.features.prices.service import PriceBook
from photochanger.features.settings.schemas import Settings
from photochanger.features.slots.schemas import Step

Prepare = Callable[[int], Awaitable[Prepared]]
"""The photo with at most so many pixels."""
Begun = Callable[[list[Attempt]], Awaitable[None]]
"""Writes the last attempt down before the call, so that a crash leaves a trace of possible cost."""
Begins = Callable[[], Awaitable[None]]

_USAGE_BYTES = 64 * limits.KIB

log = structlog.get_logger()


class NotCalled(TimedOut):
    """The database or the photo took what the step had of the window."""


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


class Calls:
    def __init__(self, *, providers: Providers, imaging: Imaging, places: Places, clock: Clock) -> None:
        self._providers = providers
        self._imaging = imaging
        self._places = places
        self._clock = clock

    async def make(self, order: Order, step: Step, ends: float, attempt: Attempt, begun: Begins) -> Delivered:
        """The picture by `ends`, the clock's monotonic time. Raises a ProviderError or NoPlace."""
        driver = self._providers.get(step.provider)
        is_local = driver.capabilities.is_local
        seconds = min(ends - self._clock.monotonic(), order.window.left())
        place = self._places.take(
            f"provider:{step.provider}",
            places=order.settings.provider_concurrency.get(step.provider, 1),
            per_minute=order.settings.provider_per_minute.get(step.provider),
            wait_seconds=max(seconds - LOCAL_RESERVE, seconds / 2),  # one that leaves no time for the call is none
            hold_seconds=order.window.left(),  # a late call does not keep the next guest waiting
        )
        async with place:
            prepared = await order.prepare(limits.LOCAL_PIXELS if is_local else limits.REMOTE_PIXELS)
            await _written(begun, attempt, is_free=is_local)
            began = self._clock.monotonic()
            if began >= ends:
                raise NotCalled("no time was left for the call")
            try:
                async with asyncio.timeout(ends - began):
                    image = await _called(driver, self._request(order, step, driver, prepared, ends))
            except TimeoutError:
                raise TimedOut(f"no answer within {ends - began:.1f} s") from None
            _note(order, attempt, image)
            # Only the window may cut this: a picture that was paid for is not bought again from the next vendor.
            rendered = await self._render(order, prepared, image, is_clean=is_local)
        return Delivered(rendered=rendered, provider=step.provider)

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


async def _written(begun: Begins, attempt: Attempt, *, is_free: bool) -> None:
    """From here on the attempt may be billed; unless it was not written down, which ends the job."""
    attempt.cost_micros = 0 if is_free else None
    try:
        await begun()
    except BaseException:
        attempt.cost_micros = 0
        raise


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
    attempt.vendor_request_id = image.vendor_request_id and quoted(image.vendor_request_id)
    attempt.usage = _kept(image.usage)
    attempt.cost_micros = image.cost_micros
    if attempt.cost_micros is None:
        attempt.cost_micros = price(order, attempt, has_image=True)


def _kept(usage: object) -> dict[str, Any] | None:
    """What a vendor says of its work, where it is an object that a database can keep: no photo is lost for it."""
    try:
        said = msgspec.json.encode(usage)
        kept = parse_json(said) if len(said) <= _USAGE_BYTES else None
    except (Problem, UnicodeError):
        return None
    return kept if isinstance(kept, dict) else None


def price(order: Order, attempt: Attempt, *, has_image: bool) -> int | None:
    return order.prices.cost(attempt.provider, attempt.model, attempt.usage, attempt.started_at, has_image=has_image)
