"""Whether a provider could work now, asked at most once a minute however many look: some vendors count every call."""

import math

from photochanger.adapters.providers.driver import Driver, ProviderError
from photochanger.core.clock import Clock

_FRESH_SECONDS = 60.0


class Probe:
    """Of a local provider it is asked each time: that costs nothing."""

    def __init__(self, driver: Driver, clock: Clock) -> None:
        self._driver = driver
        self._clock = clock
        self._looked = -math.inf
        self._failure: ProviderError | None = None

    async def failure(self) -> ProviderError | None:
        """What is wrong, if anything."""
        is_fresh = self._clock.monotonic() - self._looked < _FRESH_SECONDS
        if self._driver.capabilities.is_local or not is_fresh:
            try:
                await self._driver.probe()
                self._failure = None
            except ProviderError as failure:
                self._failure = failure
            self._looked = self._clock.monotonic()
        return self._failure
