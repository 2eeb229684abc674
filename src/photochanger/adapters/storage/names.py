"""Which keys a store takes. Every store refuses the same ones, so that a key good in a folder is good in a bucket.

Keys are made by the product, so a bad one is a mistake in it (ValueError), never an answer to a caller.
"""

import re

KEY_LENGTH = 200
_SEGMENT = r"[A-Za-z0-9_-][A-Za-z0-9._-]*"
"""Never begins with a dot: no `..`, nothing hidden."""
_FOLDER = re.compile(_SEGMENT)
_KEY = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")
_PREFIX = re.compile(rf"(?:{_SEGMENT}/)*(?:{_SEGMENT})?")


def is_key(text: str) -> bool:
    return len(text) <= KEY_LENGTH and _KEY.fullmatch(text) is not None


def is_folder_name(text: str) -> bool:
    return _FOLDER.fullmatch(text) is not None


def checked_key(key: str) -> str:
    if not is_key(key):
        raise ValueError(f"not a key: {key[:KEY_LENGTH]!r}")
    return key


def checked_prefix(prefix: str) -> str:
    """The beginning of a key, which may end inside a folder's name."""
    if len(prefix) > KEY_LENGTH or _PREFIX.fullmatch(prefix) is None:
        raise ValueError(f"not the beginning of a key: {prefix[:KEY_LENGTH]!r}")
    return prefix
