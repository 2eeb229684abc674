"""The numbers of ingest, for `/metrics`. Labels are slots and fixed words, never what a sender made up."""

import re

from prometheus_client import CollectorRegistry, Histogram

_SECONDS = (0.25, 0.5, 1, 2, 3, 5, 8, 12, 16, 20, 25, 30, 40, 50, 60)
_BEFORE_ANY_SLOT = frozenset({"slot-not-found", "expectation-failed", "unsupported-media-type", "internal"})
"""Said before it is known whether there is such a slot."""
_SLOT = re.compile(r"slot-[0-9]{3}")


class IngestMeasures:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "photochanger_ingest_seconds",
            "From the request's head to the answer; outcome is the photo's or the problem's code.",
            ("slot_id", "outcome"),
            buckets=_SECONDS,
            registry=registry,
        )

    def answered(self, slot_id: str, outcome: str, seconds: float) -> None:
        """`outcome`: transformed, original, duplicate, or a problem's code; the share of 504 is provider-timeout's."""
        is_slot = outcome not in _BEFORE_ANY_SLOT and _SLOT.fullmatch(slot_id) is not None
        self._seconds.labels(slot_id if is_slot else "unknown", outcome).observe(seconds)
