"""Takes out of texts what must not be read later: logs are copied, mailed and kept.

Works on what is about to be written; it never decides what is written.
"""

import re

HIDDEN = "[redacted]"

# Each pattern is linear in the text: it begins with a literal, or is matched once at the beginning of a word.
_WORD = re.compile(r"[^\s\"'<>]+")
_USERINFO = re.compile(r"://[^/?#@]*@")
_STORED = re.compile(r"(/public/+(?:inputs|store)/+)[^/?]+")
_GUEST = re.compile(r"((?:[a-zA-Z][a-zA-Z0-9+.-]{0,31}://[^/?]*)?/+r/+)[^?]+")
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[^\s\"']+", re.IGNORECASE)
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\U0010ffff]|[\u2028\u2029]")

_SECRET_KEY = re.compile(
    r"password|passwd|secret|authorization|cookie"
    r"|(^|_)(token|pin|otp|api_key|signing_key|signing_key_previous|access_key)$"
    r"|^(key|t|k)$"
)


def is_secret_name(name: str) -> bool:
    """Whether a value of this name is hidden whole. `object_key` is not: it is the store's name of an object."""
    return _SECRET_KEY.search(name.lower().replace("-", "_")) is not None


def redact(text: str) -> str:
    """`text` without queries, passwords in addresses, bearer tokens and path parts that are secrets themselves."""
    return _BEARER.sub(rf"\1 {HIDDEN}", _WORD.sub(lambda word: _redact_word(word[0]), text))


def _redact_word(word: str) -> str:
    if "/" not in word:
        return word
    word = _USERINFO.sub(f"://{HIDDEN}@", word)
    path, mark, query = word.partition("?")
    if query and "/" in path:
        word = f"{path}{mark}{HIDDEN}"
    word = _STORED.sub(rf"\1{HIDDEN}", word)
    guest = _GUEST.match(word)
    return f"{guest[1]}{HIDDEN}{word[guest.end() :]}" if guest else word


def one_line(text: str, *, limit: int = 200) -> str:
    """`text` as one harmless piece of a log line."""
    return _UNPRINTABLE.sub("�", text[:limit])
