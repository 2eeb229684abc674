"""A slot as the API shows and takes it (contract, "A slot"), and as its row keeps it."""

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"\S")]
SlotId = Annotated[str, Meta(pattern=r"^slot-[0-9]{3}$")]
Prompt = Annotated[str, Meta(max_length=8000)]
ShortText = Annotated[str, Meta(max_length=200)]
Micros = Annotated[int, Meta(ge=0, le=1_000_000_000_000)]
Password = Annotated[str, Meta(min_length=4, max_length=1024)]
Pin = Annotated[str, Meta(pattern=r"^[0-9]{4,12}$")]
Dialect = Literal["image", "json", "breeze_multipart"]
Access = Literal["open", "off", "pin", "link"]


class Step(Struct, frozen=True, kw_only=True):
    """One provider in the chain."""

    provider: Annotated[str, Meta(min_length=1, max_length=32)]
    operation: Annotated[str, Meta(min_length=1, max_length=64)]
    model: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    prompt: Prompt = ""
    settings: dict[str, Any] = {}
    timeout_ms: Annotated[int, Meta(ge=100, le=60_000)] | None = None


Chain = Annotated[list[Step], Meta(min_length=1, max_length=5)]


class Variable(Struct, frozen=True, kw_only=True):
    name: Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,31}$")]
    default: ShortText = ""


class TemplateMedia(Struct, frozen=True, kw_only=True):
    role: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    media_id: str


class Style(Struct, frozen=True, kw_only=True):
    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
    chain: Chain


class Gallery(Struct, frozen=True, kw_only=True):
    access: Access = "open"
    title: ShortText = ""
    page_size: Annotated[int, Meta(ge=1, le=100)] = 10
    approve_first: bool = False
    ends_at: Annotated[datetime, Meta(tz=True)] | None = None
    of: SlotId | None = None
    since: Annotated[datetime, Meta(tz=True)] | None = None


class Budget(Struct, frozen=True, kw_only=True):
    daily_micros: Micros | None = None
    monthly_micros: Micros | None = None
    action: Literal["stop", "darkroom", "alert"] = "stop"


class SlotConfig(Struct, frozen=True, kw_only=True):
    """What a job runs with. Null means the global setting."""

    chain: Chain
    variables: Annotated[list[Variable], Meta(max_length=20)] = []
    template_media: Annotated[list[TemplateMedia], Meta(max_length=16)] = []
    styles: Annotated[list[Style], Meta(max_length=20)] = []
    keep_shape: bool = True
    response_dialect: Dialect = "image"
    failure_policy: Literal["error", "original"] = "error"
    late_delivery: bool | None = None
    sync_response_seconds: Annotated[int, Meta(ge=10, le=60)] | None = None
    result_ttl_hours: Annotated[int, Meta(ge=1, le=720)] | None = None
    source_ttl_hours: Annotated[int, Meta(ge=0, le=720)] | None = None
    upload_limit_mb: Annotated[int, Meta(ge=1, le=2048)] | None = None
    max_concurrency: Annotated[int, Meta(ge=1, le=100)] = 4
    max_per_minute: Annotated[int, Meta(ge=1, le=6000)] | None = None
    """Photos that may begin in any 60 seconds; those above wait inside their window. Null: no limit."""
    duplicate_window_seconds: Annotated[int, Meta(ge=0, le=2_592_000)] | None = None
    gallery: Gallery = field(default_factory=Gallery)
    budget: Budget = field(default_factory=Budget)


class GalleryDocument(Gallery, frozen=True, kw_only=True):
    url: str = ""
    """Read-only: the address to share."""


class GalleryInput(GalleryDocument, frozen=True, kw_only=True):
    pin: Pin | None = None
    """Write-only."""


class SlotDocument(SlotConfig, frozen=True, kw_only=True):
    slot_id: str
    name: str
    enabled: bool
    version: int
    updated_at: datetime
    updated_by: str
    has_password: bool
    gallery: GalleryDocument = field(default_factory=GalleryDocument)


class VersionDocument(Struct, frozen=True, kw_only=True):
    """A configuration that a slot had."""

    version: int
    name: str
    config: SlotConfig
    changed_at: datetime
    changed_by: str


class SlotInput(SlotConfig, frozen=True, kw_only=True):
    """The body of PUT. A member left out keeps its value; the read-only ones of GET's document are ignored."""

    version: int
    name: Name = ""
    enabled: bool = True
    password: Password | None = None
    """Write-only; null removes it."""
    chain: Chain = []
    gallery: GalleryInput = field(default_factory=GalleryInput)
    slot_id: Any = None
    updated_at: Any = None
    updated_by: Any = None
    has_password: Any = None


class DraftInput(SlotInput, frozen=True, kw_only=True):
    """What a test run changes about the slot, for itself alone."""

    version: Any = None


class NewSlotInput(SlotInput, frozen=True, kw_only=True):
    """The body of POST. Without `slot_id` the next free one is taken."""

    slot_id: SlotId | None = None
    version: Any = None


class ConfiguredSlot(Struct, frozen=True, kw_only=True):
    """A slot as other features use it. Holds hashes: never answer with it."""

    slot_id: str
    name: str
    enabled: bool
    version: int
    config: SlotConfig
    password_hash: str | None
    pin_hash: str | None
    link_token: str
    updated_at: datetime
    updated_by: str
