"""What the vendors received and would have billed. Sizes and hashes, never a key, a prompt or a picture."""

import hashlib
import itertools
from typing import Any

from msgspec import Struct

from photochanger.vendors.script import MAKES_A_PICTURE, Behaviour


class Received(Struct, frozen=True):
    """One picture of a request."""

    field: str
    size_bytes: int
    sha256: str

    @classmethod
    def of(cls, field: str, data: bytes) -> "Received":
        return cls(field, len(data), hashlib.sha256(data).hexdigest())


class Entry(Struct, kw_only=True):
    """One paid call."""

    number: int
    vendor: str
    operation: str
    model: str | None
    did: str
    pictures: list[Received]
    prompt_sha256: str
    prompt_characters: int
    options: dict[str, Any]
    """What else was asked for."""
    price_micros: int
    is_handed_out: bool = False
    """Whether the picture went to somebody; one that did not may be on the bill all the same."""


class Book:
    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._numbers = itertools.count(1)

    def open(
        self,
        vendor: str,
        operation: str,
        behaviour: Behaviour,
        *,
        pictures: list[Received],
        prompt: str,
        price_micros: int,
        model: str | None = None,
        options: dict[str, Any] | None = None,
    ) -> Entry:
        entry = Entry(
            number=next(self._numbers),
            vendor=vendor,
            operation=operation,
            model=model,
            did=behaviour.do,
            pictures=pictures,
            prompt_sha256=hashlib.sha256(prompt.encode()).hexdigest(),
            prompt_characters=len(prompt),
            options=options or {},
            price_micros=price_micros if behaviour.do in MAKES_A_PICTURE else 0,
        )
        self.entries.append(entry)
        return entry

    def document(self) -> dict[str, Any]:
        billed = sum(entry.price_micros for entry in self.entries if entry.is_handed_out)
        everything = sum(entry.price_micros for entry in self.entries)
        return {"calls": self.entries, "billed_micros": billed, "abandoned_micros": everything - billed}
