"""The drivers of this process by name. Built once; a new provider is one new file and a line in `assembly.py`.

A driver without a key is here, so that it can be told of one later; for slots and settings it does not exist.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from photochanger.adapters.providers.driver import BadConfiguration, Driver
from photochanger.core.forms import Mistakes, read_document


class Providers:
    def __init__(self, drivers: Iterable[Driver]) -> None:
        self._drivers = {driver.name: driver for driver in drivers}

    @property
    def names(self) -> tuple[str, ...]:
        """Those that can be used now."""
        return tuple(driver.name for driver in self if driver.is_configured)

    def __iter__(self) -> Iterator[Driver]:
        """All, also those without a key."""
        return iter(self._drivers.values())

    def find(self, name: str) -> Driver | None:
        driver = self._drivers.get(name)
        return driver if driver is not None and driver.is_configured else None

    def get(self, name: str) -> Driver:
        """Raises BadConfiguration: a slot may be older than the set of drivers and their keys."""
        driver = self.find(name)
        if driver is None:
            raise BadConfiguration(f"There is no provider {name}, or it has no key.")
        return driver

    def check_step(
        self, provider: str, operation: str, settings: Mapping[str, Any], mistakes: Mistakes, at: str
    ) -> Struct | UnsetType:
        """The step's settings, typed; UNSET with the reasons in `mistakes`, below the path `at` (like `chain.0`)."""
        driver = self.find(provider)
        if driver is None:
            mistakes.add(f"{at}.provider", "must be one of " + ", ".join(self.names))
            return UNSET
        operations = driver.capabilities.operations
        if operation not in operations:
            mistakes.add(f"{at}.operation", "must be one of " + ", ".join(operations))
            return UNSET
        found: Struct | UnsetType = read_document(operations[operation], settings, mistakes, at=f"{at}.settings")
        return found

    def settings_of(self, provider: str, operation: str, settings: Mapping[str, Any]) -> Struct:
        """The settings of a stored step. Raises BadConfiguration where they are not right any more."""
        mistakes = Mistakes()
        found = self.check_step(provider, operation, settings, mistakes, "step")
        if isinstance(found, UnsetType):
            raise BadConfiguration("; ".join(f"{error.field} {error.message}" for error in mistakes.errors))
        return found
