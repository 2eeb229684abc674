"""The settings with their ranges: the source of validation, of the API's document, and later of the form."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Concurrency = Annotated[int, Meta(ge=1, le=100)]
PerMinute = Annotated[int, Meta(ge=1, le=6000)] | None
PER_PROVIDER = {"provider_concurrency": (Concurrency, 20), "provider_per_minute": (PerMinute, None)}
"""Settings with one member for each known provider: its type, and what holds where nobody said otherwise."""


class Settings(Struct, frozen=True, kw_only=True):
    """The values in force. The defaults are the contract's."""

    sync_response_seconds: Annotated[int, Meta(ge=10, le=60)] = 50
    result_ttl_hours: Annotated[int, Meta(ge=1, le=720)] = 72
    source_ttl_hours: Annotated[int, Meta(ge=0, le=720)] | None = None
    """Null: as long as the result."""
    upload_limit_mb: Annotated[int, Meta(ge=1, le=2048)] = 50
    ingest_rps: Annotated[float, Meta(ge=0.1, le=1000)] = 20.0
    ingest_burst: Annotated[int, Meta(ge=1, le=10_000)] = 100
    provider_concurrency: dict[str, Concurrency] = {}
    """Calls at once; one member for each known provider."""
    provider_per_minute: dict[str, PerMinute] = {}
    """Calls that may begin in any 60 seconds; those above wait inside their window. Null: no limit."""
    providers_paused: list[str] = []
    cleanup_enabled: bool = True
    cleanup_interval_minutes: Annotated[int, Meta(ge=1, le=1440)] = 15
    time_zone: Annotated[str, Meta(min_length=1, max_length=64)] = "UTC"
    """An IANA zone. Days of budgets and statistics begin at `day_starts_at` in it."""
    day_starts_at: Annotated[str, Meta(max_length=5, pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")] = "06:00"
    max_slots: Annotated[int, Meta(ge=1, le=100)] = 15
    default_language: Literal["en", "ru"] = "en"


class SettingsDocument(Settings, frozen=True, kw_only=True):
    """What GET answers and PUT takes. In PUT a member left out keeps its value; `version` is required."""

    version: int
