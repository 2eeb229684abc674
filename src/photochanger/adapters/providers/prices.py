"""What a delivered picture costs, as far as vendors say it. The one table of prices; a dated one can take its place."""

from collections.abc import Mapping
from types import MappingProxyType

MICROS: Mapping[tuple[str, str], int] = MappingProxyType(
    {
        ("gemini", "1K"): 34_000,
        ("gemini", "4K"): 240_000,
    }
)
"""Millionths of a US dollar for one picture, by provider and unit. Without a picture there is no bill."""


def price_of(provider: str, unit: str) -> int | None:
    """None where nobody knows, as for a tariff."""
    return MICROS.get((provider, unit))
