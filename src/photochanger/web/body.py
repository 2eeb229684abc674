"""Reads the small bodies: JSON documents and forms. Plain data comes out; what it may say is `core.forms`' business.

Multipart is refused before a byte is parsed: uploads have a reader of their own.
"""

import asyncio
import re
from typing import Any
from urllib.parse import parse_qsl

from litestar import Request

from photochanger.core.documents import parse_json
from photochanger.core.errors import Problem
from photochanger.core.limits import BODY_BYTES

_CONTENT_TYPE = re.compile(r"\s*([^\s;,]+)\s*(?:;\s*charset\s*=\s*\"?utf-?8\"?\s*)?;?\s*", re.IGNORECASE)
_FORM_FIELDS = 200
_SECONDS = 20


async def read_json(request: Request[Any, Any, Any], *, allow_nul: bool = False) -> object:
    """The JSON document in the body; `malformed-json`, `unsupported-media-type` or `body-too-large` otherwise.

    `allow_nul` is for texts that are only compared and never kept, as the name somebody signs in with.
    """
    return parse_json(await _read(request, "application/json"), allow_nul=allow_nul)


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
