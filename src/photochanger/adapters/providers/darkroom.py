"""The built-in provider: classic photo effects on this machine's CPU. No key, no cost, no network."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import cast, get_args

from msgspec import Struct

from photochanger.adapters.imaging import workers
from photochanger.adapters.imaging.darkroom_settings import Operation, Original, Recipe
from photochanger.adapters.imaging.imaging import Imaging
from photochanger.adapters.imaging.results import TooManyPixels, Unreadable, Unusable, WorkerStopped
from photochanger.adapters.providers.driver import (
    BadAnswer,
    BadConfiguration,
    Capabilities,
    ProviderImage,
    TimedOut,
    TransformRequest,
    Unavailable,
)

OPERATIONS: Mapping[str, type[Struct]] = MappingProxyType(
    {str(kind.__struct_config__.tag): kind for kind in (*get_args(Operation), Recipe)}
)

_SECONDS = 20.0
"""A recipe of eight steps on 12 megapixels; the window usually ends it earlier, by cancelling."""


class Darkroom:
    name = "darkroom"
    capabilities = Capabilities(operations=OPERATIONS, is_local=True, reference_roles=("frame", "watermark"))
    model: str | None = None
    is_configured = True

    def __init__(self, imaging: Imaging) -> None:
        self._imaging = imaging

    async def transform(self, request: TransformRequest) -> ProviderImage:
        if isinstance(request.settings, Original):
            return ProviderImage(data=request.photo.data, media_type=request.photo.media_type, cost_micros=0)
        templates = {reference.role: reference.picture.data for reference in request.references}
        settings = cast("Operation | Recipe", request.settings)
        try:
            file = await self._imaging.run(workers.develop, request.photo.data, settings, templates, seconds=_SECONDS)
        except Unusable as reason:
            raise BadConfiguration(str(reason)) from reason
        except (Unreadable, TooManyPixels) as reason:
            raise BadAnswer(f"the photo could not be read: {reason}") from reason
        except WorkerStopped as reason:
            raise (TimedOut if reason.was_too_slow else BadAnswer)(f"the worker {reason}") from reason
        return ProviderImage(data=file.data, media_type=file.media_type, cost_micros=0)

    async def probe(self) -> None:
        try:
            await self._imaging.run(abs, 0)
        except WorkerStopped as reason:
            raise Unavailable(f"the worker {reason}") from reason

    async def close(self) -> None:
        """The workers belong to imaging."""
