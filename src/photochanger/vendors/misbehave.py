"""The ways an answer can go wrong below its meaning, alike for all vendors."""

import asyncio
import zlib
from collections.abc import Iterator

from aiohttp import web

from photochanger.vendors.script import Behaviour

_BLOCK_BYTES = 1024 * 1024
_BOMB_BLOCKS = 4096
_DRIP_SECONDS = 0.2
_GZIP = 16 + zlib.MAX_WBITS


async def silence() -> None:
    """Until the client leaves."""
    await asyncio.Event().wait()


async def sent(request: web.Request, behaviour: Behaviour, body: bytes, content_type: str) -> web.StreamResponse:
    """`body`, or what `behaviour` makes of it."""
    match behaviour.do:
        case "hang" | "queue":
            await silence()
        case "reset":
            return _broken_off(request)
        case "redirect":
            return web.Response(status=302, headers={"Location": behaviour.location})
        case "drip":
            return await _stream(request, _endlessly(b" "), content_type, pause=_DRIP_SECONDS)
        case "endless":
            return await _stream(request, _endlessly(b" " * _BLOCK_BYTES), content_type)
        case "gzip_bomb":
            return await _stream(request, _bomb(), content_type, encoding="gzip")
        case "cut":
            return await _cut(request, body, content_type)
    return web.Response(body=body, content_type=content_type)


def _broken_off(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _cut(request: web.Request, body: bytes, content_type: str) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": content_type, "Content-Length": str(len(body))})
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    return _broken_off(request)


async def _stream(
    request: web.Request, blocks: Iterator[bytes], content_type: str, *, pause: float = 0.0, encoding: str = ""
) -> web.StreamResponse:
    headers = {"Content-Type": content_type, **({"Content-Encoding": encoding} if encoding else {})}
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    for block in blocks:
        await response.write(block)
        await asyncio.sleep(pause)
    return response


def _endlessly(block: bytes) -> Iterator[bytes]:
    while True:
        yield block


def _bomb() -> Iterator[bytes]:
    """Four gibibytes in four megabytes."""
    packer = zlib.compressobj(1, wbits=_GZIP)
    for _ in range(_BOMB_BLOCKS):
        if block := packer.compress(b" " * _BLOCK_BYTES):
            yield block
    yield packer.flush()
