"""JSON as somebody sent it: plain data comes out; what it may say is `core.forms`' business."""

import re
from collections.abc import Mapping

import msgspec

from photochanger.core.errors import Problem
from photochanger.core.limits import JSON_DEPTH

# One pass: strings are swallowed whole, an open one up to the end of the document.
_TOKENS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_INTEGERS = range(-(2**63), 2**63)


def parse_json(body: bytes, *, allow_nul: bool = False) -> object:
    """One document; `malformed-json` where it is none, too deep, or holds what no database of ours can keep.

    `allow_nul` is for texts that are only compared and never kept.
    """
    if _depth(body) > JSON_DEPTH:
        raise Problem("malformed-json", f"Nest at most {JSON_DEPTH} levels deep.")
    try:
        document = msgspec.json.decode(body)
        _check(document, allow_nul=allow_nul)
    except (msgspec.DecodeError, UnicodeError):
        raise Problem("malformed-json") from None
    return document


def _depth(body: bytes) -> int:
    depth = deepest = 0
    for token in _TOKENS.finditer(body):
        mark = token[0][:1]
        if mark in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif mark in b"]}":
            depth -= 1
    return deepest


def _check(value: object, *, allow_nul: bool) -> None:
    """Refuses what JSON may say and no database of ours can keep."""
    if isinstance(value, str):
        value.encode()  # a lone surrogate fails here
        if "\0" in value and not allow_nul:
            raise Problem("malformed-json", "A text holds a NUL character.")
    elif isinstance(value, Mapping):
        for name, item in value.items():
            _check(name, allow_nul=allow_nul)
            _check(item, allow_nul=allow_nul)
    elif isinstance(value, list):
        for item in value:
            _check(item, allow_nul=allow_nul)
    elif isinstance(value, int) and value not in _INTEGERS:
        raise Problem("malformed-json", "A whole number has more than 64 bits.")
