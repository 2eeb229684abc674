"""The drivers of this process by name. Built once; a new provider is one new file and a line in `cloud.py`.

A provider without a key may be chosen and fails until it has one: keys come and go while the product runs.
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
        return tuple(self._drivers)

    def __iter__(self) -> Iterator[Driver]:
        return iter(self._drivers.values())

    def find(self, name: str) -> Driver | None:
        return self._drivers.get(name)

    def get(self, name: str) -> Driver:
        """Raises BadConfiguration: a slot may be older than the set of drivers."""
        driver = self.find(name)
        if driver is None:
            raise BadConfiguration(f"There is no provider {name}.")
        if not driver.is_configured:
            raise BadConfiguration(f"The provider {name} has no key.")
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
