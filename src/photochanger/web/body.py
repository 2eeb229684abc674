"""Reads bodies. Of the small ones, JSON documents and forms, plain data comes out; what it may say is `core.forms`'
business. Uploads come out as they arrive.

Multipart is refused before a byte is parsed, but where a handler is marked as taking it: uploads have a reader of their
own. No sender holds a request for long with little.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from photochanger.core.clock import SystemClock
from photochanger.core.documents import parse_json
from photochanger.core.errors import Problem
from photochanger.core.limits import BODY_BYTES, KIB

_CONTENT_TYPE = re.compile(r"\s*([^\s;,]+)\s*(?:;\s*charset\s*=\s*\"?utf-?8\"?\s*)?;?\s*", re.IGNORECASE)
_FORM_FIELDS = 200
_SECONDS = 20
_SILENCE_SECONDS = 10.0
_FIRST_BYTES = 8 * KIB
_PERIOD_SECONDS = 20.0
_PERIOD_BYTES = 20 * 16 * KIB
_clock = SystemClock()


class SenderGone(Exception):  # noqa: N818
    """The sender left before the end of the body."""


async def refuse_bodies(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """A guard: nothing large and no multipart, whoever asks, but where a handler's `opt` says `upload`."""
    if handler.opt.get("upload"):
        return
    if connection.headers.get("content-type", "").lstrip().lower().startswith("multipart/"):
        raise Problem("unsupported-media-type", "Send no multipart here.")
    announced = connection.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced[:20]) > BODY_BYTES:
        raise Problem("body-too-large", limit_bytes=BODY_BYTES)


async def read_chunks(request: Request[Any, Any, Any]) -> AsyncIterator[bytes]:
    """The body as it arrives; SenderGone, or `upload-too-slow`: nothing for ten seconds, or under 16 KiB a second for
    twenty. Only the time counts in which the sender is waited for: ours is not its fault.

    Not `request.stream()`: it tells a sender that left as an error of ours.
    """
    waited, size = 0.0, 0
    while True:
        began = _clock.monotonic()
        try:
            async with asyncio.timeout(_SILENCE_SECONDS):
                message = await request.receive()
        except TimeoutError:
            raise Problem("upload-too-slow") from None
        if message["type"] != "http.request":
            raise SenderGone
        waited += _clock.monotonic() - began
        if body := message["body"]:
            # Who waits for the store's memory behind the first bytes holds some copies of them: these are small.
            if not size:
                yield body[:_FIRST_BYTES]
                body = body[_FIRST_BYTES:]
            if body:
                yield body
        size += len(message["body"])
        if not message["more_body"]:
            return
        if waited >= _PERIOD_SECONDS:
            if size < _PERIOD_BYTES:
                raise Problem("upload-too-slow")
            waited, size = 0.0, 0


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
    try:
        async with asyncio.timeout(_SECONDS):
            return await _receive(request)
    except TimeoutError:
        raise Problem("upload-too-slow", f"Send the body within {_SECONDS} seconds.") from None


async def _receive(request: Request[Any, Any, Any]) -> bytes:
    body = bytearray()
    try:
        async for chunk in read_chunks(request):
            body += chunk
            if len(body) > BODY_BYTES:
                raise Problem("body-too-large", limit_bytes=BODY_BYTES)
    except SenderGone:
        raise Problem("bad-request", "The body ended early.") from None
    return bytes(body)
