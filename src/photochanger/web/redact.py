"""Takes out of texts what must not be read later: logs are copied, mailed and kept.

Works on what is about to be written; it never decides what is written.
"""

import re

HIDDEN = "[redacted]"

_USERINFO = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://)[^/\s@\"']+@")
_QUERY = re.compile(r"([^\s?\"'<>]*/[^\s?\"'<>]*)\?[^\s\"'<>]+")
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[^\s\"']+", re.IGNORECASE)
_CAPABILITY = re.compile(r"(/+public/+(?:inputs|store)/+)[^/\s?\"'<>]+|((?<![^\s/])/+r/+)[^\s?\"'<>]+")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\U0010ffff]|[\u2028\u2029]")

_SECRET_KEY = re.compile(
    r"password|passwd|secret|authorization|cookie"
    r"|(^|_)(token|pin|otp|api_key|signing_key|access_key)$"
    r"|^(key|t|k)$"
)


def is_secret_name(name: str) -> bool:
    """Whether a value of this name is hidden whole. `object_key` is not: it is the store's name of an object."""
    return _SECRET_KEY.search(name.lower().replace("-", "_")) is not None


def redact(text: str) -> str:
    """`text` without queries, passwords in addresses, bearer tokens and path parts that are secrets themselves."""
    text = _USERINFO.sub(rf"\1{HIDDEN}@", text)
    text = _QUERY.sub(rf"\1?{HIDDEN}", text)
    text = _CAPABILITY.sub(lambda found: (found[1] or found[2]) + HIDDEN, text)
    return _BEARER.sub(rf"\1 {HIDDEN}", text)


def one_line(text: str, *, limit: int = 200) -> str:
    """`text` as one harmless piece of a log line."""
    return _UNPRINTABLE.sub("�", text[:limit])
