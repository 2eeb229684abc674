"""Decides what a call of a provider costs, for providers that do not say it themselves. No HTTP, no SQL."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from photochanger.adapters.db.session import Database
from photochanger.core.clock import Clock
from photochanger.core.forms import Mistakes, read_members
from photochanger.features.audit.schemas import Actor
from photochanger.features.audit.service import record
from photochanger.features.prices.models import Price
from photochanger.features.prices.repository import PriceRepository
from photochanger.features.prices.schemas import PriceDocument, PriceList

_GEMINI = {
    "input": ("promptTokenCount", "promptTokensDetails"),
    "output": ("candidatesTokenCount", "candidatesTokensDetails"),
}
_OPENAI = {"input": ("input_tokens", "input_tokens_details"), "output": ("output_tokens", "output_tokens_details")}
_MOST_TOKENS = 1_000_000_000
"""Of one call; what says more is no count."""


class PriceBook:
    """Every price of every time: a pure function from what a vendor did to what it bills."""

    def __init__(self, prices: Iterable[Price]) -> None:
        self._prices = sorted(prices, key=lambda price: price.valid_from)

    def cost(
        self, provider: str, model: str | None, usage: Mapping[str, Any] | None, at: datetime, *, has_image: bool = True
    ) -> int | None:
        """Micros of a call begun `at` that ended with an answer; None where the table cannot tell.

        `usage` is the vendor's own, plus `image_size` (like `4K`) where the driver asked for one. Without an image
        only `call` is billed. What a call cost that was cut or abandoned nobody knows: do not ask for it.
        """
        rates = self._rates(provider, model, at)
        call = rates.get("call", 0)
        if not has_image:
            return call
        tokens = dict(_tokens(usage or {}))
        if tokens and any(unit.startswith("1k_") for unit in rates):
            total = sum(count * _rate(rates, direction, kind) for (direction, kind), count in tokens.items())
            return call + (total + 500) // 1000
        image = rates.get(f"image:{(usage or {}).get('image_size')}", rates.get("image"))
        if image is None:
            return call if "call" in rates else None
        return call + image

    def _rates(self, provider: str, model: str | None, at: datetime) -> dict[str, int]:
        """Of each unit the latest price; one of the model itself goes before one of all models."""
        known = [price for price in self._prices if price.provider == provider and price.valid_from <= at]
        general = {price.unit: price.micros for price in known if not price.model}
        return general | {price.unit: price.micros for price in known if price.model and price.model == model}


def _rate(rates: Mapping[str, int], direction: str, kind: str) -> int:
    return rates.get(f"1k_{direction}_{kind}_tokens", rates.get(f"1k_{direction}_tokens", 0))


def _tokens(usage: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], int]]:
    """(direction, kind) with a count: kind `text` or `image` where the vendor says it, else empty."""
    names = _GEMINI if "promptTokenCount" in usage else _OPENAI
    for direction, (whole, details) in names.items():
        total = _count(usage.get(whole))
        if names is _GEMINI and direction == "output":
            total += _count(usage.get("thoughtsTokenCount"))
        kinds = {kind: count for kind, count in _kinds(usage.get(details)) if count}
        rest = total - sum(kinds.values())
        yield from (((direction, kind), count) for kind, count in kinds.items())
        if rest > 0:
            yield (direction, ""), rest


def _kinds(details: object) -> Iterator[tuple[str, int]]:
    if isinstance(details, Mapping):  # OpenAI: {"text_tokens": 10, "image_tokens": 40}
        yield from ((kind, _count(details.get(f"{kind}_tokens"))) for kind in ("text", "image"))
    elif isinstance(details, list):  # Gemini: [{"modality": "IMAGE", "tokenCount": 1290}]
        for kind in ("text", "image"):
            found = [each for each in details if isinstance(each, Mapping) and each.get("modality") == kind.upper()]
            yield kind, sum(_count(each.get("tokenCount")) for each in found)


def _count(value: object) -> int:
    return value if isinstance(value, int) and 0 < value <= _MOST_TOKENS else 0


class PriceService:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def book(self) -> PriceBook:
        """The prices as they are saved now."""
        async with self._database.read() as session:
            return PriceBook(await PriceRepository(session).list_all())

    async def list_all(self) -> PriceList:
        async with self._database.read() as session:
            return PriceList([_document(price) for price in await PriceRepository(session).list_all()])

    async def put(self, raw: object, actor: Actor) -> PriceDocument:
        """Saves one price from its `valid_from` on, or corrects the one that is valid from that very moment."""
        mistakes = Mistakes()
        members = read_members(PriceDocument, raw, mistakes)
        mistakes.raise_if_any()
        price = Price(
            provider=members["provider"],
            model=members.get("model") or "",
            unit=members["unit"],
            micros=members["micros"],
            valid_from=members.get("valid_from") or self._clock.now(),
        )
        async with self._database.write() as session:
            prices = PriceRepository(session)
            before = await prices.find(price.provider, price.model, price.unit, price.valid_from)
            detail = {
                "unit": price.unit,
                "model": price.model,
                "valid_from": price.valid_from.isoformat(),
                "micros": {"from": before.micros if before else None, "to": price.micros},
            }
            await prices.put(price)
            await record(session, self._clock, actor, "price.changed", price.provider, detail)
        return _document(price)


def _document(price: Price) -> PriceDocument:
    return PriceDocument(
        provider=price.provider,
        model=price.model or None,
        unit=price.unit,
        micros=price.micros,
        valid_from=price.valid_from,
    )
