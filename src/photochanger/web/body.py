"""Reads the small bodies: JSON documents and forms. Plain data comes out; what it may say is `core.forms`' business.

Multipart is refused before a byte is parsed: uploads have a reader of their own.
"""

import asyncio
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from litestar import Request

from photochanger.core.errors import Problem
from photochanger.core.limits import BODY_BYTES, JSON_DEPTH

_CONTENT_TYPE = re.compile(r"\s*([^\s;,]+)\s*(?:;\s*charset\s*=\s*\"?utf-?8\"?\s*)?;?\s*", re.IGNORECASE)
# One pass: strings are swallowed whole, an open one up to the end of the document.
_TOKENS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_INTEGERS = range(-(2**63), 2**63)
_FORM_FIELDS = 200
_SECONDS = 20


async def read_json(request: Request[Any, Any, Any], *, allow_nul: bool = False) -> object:
    """The JSON document in the body; `malformed-json`, `unsupported-media-type` or `body-too-large` otherwise.

    `allow_nul` is for texts that are only compared and never kept, as the name somebody signs in with.
    """
    body = await _read(request, "application/json")
    if _depth(body) > JSON_DEPTH:
        raise Problem("malformed-json", f"Nest at most {JSON_DEPTH} levels deep.")
    try:
        document = msgspec.json.decode(body)
        _check(document, allow_nul=allow_nul)
    except (msgspec.DecodeError, UnicodeError):
        raise Problem("malformed-json") from None
    return document


async def read_form(request: Request[Any, Any, Any]) -> dict[str, str]:
    """The fields of a urlencoded form. Of a name that comes twice the last counts, as checkboxes need it."""
    body = await _read(request, "application/x-www-form-urlencoded")
    try:
        fields = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_FORM_FIELDS)
    except ValueError:
        raise Problem("bad-request", "The form is not valid UTF-8, or has too many fields.") from None
    if any("\0" in text for field in fields for text in field):
        raise Problem("bad-request", "The form holds a NUL character.")
    return dict(fields)


async def _read(request: Request[Any, Any, Any], content_type: str) -> bytes:
    found = _CONTENT_TYPE.fullmatch(request.headers.get("content-type", ""))
    if found is None or found[1].lower() != content_type:
        raise Problem("unsupported-media-type", f"Send {content_type} in UTF-8.")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Problem("unsupported-media-type", "Send the body without a content encoding.")
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced[:20]) > BODY_BYTES:
        raise Problem("body-too-large", limit_bytes=BODY_BYTES)
    try:
        async with asyncio.timeout(_SECONDS):
            return await _receive(request)
    except TimeoutError:
        raise Problem("upload-too-slow", f"Send the body within {_SECONDS} seconds.") from None


async def _receive(request: Request[Any, Any, Any]) -> bytes:
    # Not `request.stream()`: it tells a client that left as an error of ours.
    body = bytearray()
    while True:
        message = await request.receive()
        if message["type"] != "http.request":
            raise Problem("bad-request", "The body ended early.")
        body += message["body"]
        if len(body) > BODY_BYTES:
            raise Problem("body-too-large", limit_bytes=BODY_BYTES)
        if not message["more_body"]:
            return bytes(body)


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
