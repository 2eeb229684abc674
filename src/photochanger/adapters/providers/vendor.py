"""What every cloud driver says alike: which key it has, where it calls, and what a vendor's refusal means."""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from msgspec import Struct
from yarl import URL

from photochanger.adapters.providers.driver import BadConfiguration, ProviderError, RateLimited, Unavailable
from photochanger.adapters.providers.http import Answer

Key = Callable[[], str | None]
"""Asked for every call: a key may be exchanged while the product runs."""

OK = 200
PROBE_SECONDS = 1.9
"""Two, less what `/healthz` needs to say so."""
_REDIRECTS = range(300, 400)
_KEY_REFUSED = {401, 403}
_GONE = 404
_MAY_PASS = {408, 409, 425}
_TOO_MANY = 429
_SERVER_FAULT = 500
_QUOTED_CHARACTERS = 200
_LINK_OR_TOKEN = re.compile(r"https?://\S+|[\w~+/=.%-]{40,}")


class Vendor(Struct, frozen=True):
    """Where a vendor is. `own_hosts` beside the base address's own may be called and linked to."""

    base: URL
    key: Key
    own_hosts: Collection[str] = ()

    @property
    def hosts(self) -> Collection[str]:
        return {*self.own_hosts, self.base.host or ""}

    def needed_key(self) -> str:
        key = self.key()
        if key is None:
            raise BadConfiguration("it has no key")
        return key

    def __repr__(self) -> str:
        return f"Vendor({self.base})"


def base_address(text: str, *, suffix: str = "") -> URL:
    """`text` with exactly one `suffix` at its end, as people write base addresses with and without it."""
    return URL(text.rstrip("/").removesuffix(suffix).rstrip("/") + suffix)


def refusal(answer: Answer, says: str, *secrets: str) -> ProviderError:
    """What an answer other than 200 means. `says` is the vendor's own text, of which `secrets` are taken out."""
    status = answer.status
    text = f"it answers {status}" + (f": {quoted(says, *secrets)}" if says else "")
    if status == _TOO_MANY:
        return RateLimited(text, seconds_in(answer.headers))
    if status >= _SERVER_FAULT or status in _MAY_PASS:
        return Unavailable(text, seconds_in(answer.headers))
    if status in _REDIRECTS:
        return BadConfiguration(f"it answers {status}, a redirect, which is not followed: check the base address")
    if status in _KEY_REFUSED:  # some vendors repeat the key in their text
        return BadConfiguration(f"it answers {status}: the key is refused, or may not do this")
    if status == _GONE:
        return BadConfiguration(f"{text}. The model is retired, or the base address is wrong")
    return BadConfiguration(text)


def seconds_in(headers: Mapping[str, str]) -> float | None:
    """Retry-After in seconds; as a date it is left alone."""
    found = re.fullmatch(r"\d{1,6}(?:\.\d{1,9})?", headers.get("Retry-After", ""))
    return float(found[0]) if found else None


def quoted(text: str, *secrets: str) -> str:
    """A vendor's words in one short line, without what it was told in confidence."""
    text = _LINK_OR_TOKEN.sub("…", text)
    for secret in sorted(filter(None, secrets), key=len, reverse=True):  # a whole prompt before a word of it
        text = re.sub(re.escape(secret), "…", text, flags=re.IGNORECASE)
    return re.sub(r"[^\x20-\x7e\xa0-\ud7ff\ue000-\U0010ffff]+", " ", text)[:_QUOTED_CHARACTERS]


def member(document: Any, *path: str) -> Any:
    """What lies at a path of objects; None where anything on the way is missing or of another kind."""
    for name in path:
        document = document.get(name) if isinstance(document, dict) else None
    return document


def text_at(document: Any, *path: str) -> str:
    """The text there, or none."""
    found = member(document, *path)
    return found if isinstance(found, str) else ""
