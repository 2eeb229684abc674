"""What a provider's driver is: one file in this folder speaks to one vendor and knows nothing else of the product."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from msgspec import Struct


class Picture(Struct, frozen=True):
    """An encoded image: upright, without metadata, sRGB."""

    data: bytes
    media_type: str


class Reference(Struct, frozen=True):
    """A template image of the slot, for example role `frame`."""

    role: str
    picture: Picture


class TransformRequest(Struct, frozen=True):
    photo: Picture
    operation: str
    settings: Struct
    """An instance of the operation's settings type, validated."""
    deadline: float
    """Monotonic seconds of the injected clock; nothing may run past it."""
    width: int
    height: int
    """The upright upload's: a vendor is asked for the nearest shape it knows."""
    prompt: str = ""
    model: str | None = None
    references: tuple[Reference, ...] = ()
    guest_words: tuple[str, ...] = ()
    """What the guest said, as far as the prompt has it. Like the prompt it is in no error's text."""
    publish: Callable[[bytes], Awaitable[str]] | None = None
    """Puts bytes under a public link that lives as long as the job: for vendors that only take links."""

    @property
    def confidential(self) -> tuple[str, ...]:
        return (self.prompt, *self.guest_words)


class ProviderImage(Struct, frozen=True):
    data: bytes
    media_type: str
    """As sniffed, not as the vendor says."""
    model: str | None = None
    vendor_request_id: str | None = None
    usage: Mapping[str, Any] | None = None
    cost_micros: int | None = None
    """Millionths of a US dollar; None where the vendor does not say."""


class Capabilities(Struct, frozen=True):
    operations: Mapping[str, type[Struct]]
    """Each operation with its settings: the source of validation, and of the form in the browser."""
    is_local: bool
    """Runs on this machine: takes photos up to 12 megapixels and costs nothing; a remote one gets 3 megapixels."""
    needs_public_url: bool = False
    reference_roles: tuple[str, ...] = ()


class Driver(Protocol):
    name: str
    capabilities: Capabilities

    @property
    def model(self) -> str | None:
        """What a request without a model gets; None where the vendor has no models to choose from."""
        ...

    @property
    def is_configured(self) -> bool:
        """Whether it has what it needs, like a key. Without that no slot may name it."""
        ...

    async def transform(self, request: TransformRequest) -> ProviderImage:
        """One call. Raises a ProviderError; cancellation stops it at once and frees everything."""
        ...

    async def probe(self) -> None:
        """Whether the provider could work now, without generating anything. Raises a ProviderError."""
        ...

    async def close(self) -> None: ...


class ProviderError(Exception):
    """`outcome` is the attempt's; the text is safe to show to an administrator and holds no key and no prompt."""

    outcome = "unavailable"
    cost_micros: int | None = 0
    """What the call cost all the same; None where the vendor may have billed and did not say."""

    def __init__(self, text: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after
        """Seconds the vendor asks for before the next call, where it says."""


class Rejected(ProviderError):
    """The content was refused; another call gets the same answer."""

    outcome = "rejected"


class RateLimited(ProviderError):
    outcome = "rate_limited"


class Unavailable(ProviderError):
    """The vendor cannot be reached or says 5xx."""


class Unreachable(Unavailable):
    """No connection came about: no such name, refused, no route, no TLS. Nobody else will get one now, either."""


class Interrupted(Unavailable):
    """The connection broke after the request was sent."""

    cost_micros = None


class Silent(Interrupted):
    """The other end acknowledges nothing any more, or has no room for the photo: as good as a cut line."""


class NoImage(ProviderError):
    """An answer without an image; worth another call at once."""

    outcome = "no_image"


class TimedOut(ProviderError):
    outcome = "timed_out"
    cost_micros = None


class BadConfiguration(ProviderError):
    """Key, model or parameters are wrong; no retry mends it."""

    outcome = "bad_configuration"


class BadAnswer(ProviderError):
    """Unreadable, cut, not an image, too many pixels; final for the step, since it may have been billed."""

    outcome = "bad_answer"
    cost_micros: int | None = None
