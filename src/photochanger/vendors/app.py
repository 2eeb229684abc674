"""All vendors behind one port: their APIs, `/control` (who does what) and `/log` (who got what)."""

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec
from aiohttp import web

from photochanger.vendors.book import Book
from photochanger.vendors.gemini import GeminiVendor
from photochanger.vendors.openai import OpenAIVendor
from photochanger.vendors.script import Actor, Script
from photochanger.vendors.turbotext import TurbotextVendor

_REQUEST_BYTES = 64 * 1024 * 1024


class _Vendor(Protocol):
    actor: Actor

    def routes(self) -> list[web.RouteDef]: ...


def create_vendors() -> web.Application:
    book = Book()
    turbotext = TurbotextVendor(book)
    vendors: Mapping[str, _Vendor] = {
        "gemini": GeminiVendor(book),
        "openai": OpenAIVendor(book),
        "turbotext": turbotext,
    }
    app = web.Application(client_max_size=_REQUEST_BYTES)
    for vendor in vendors.values():
        app.add_routes(vendor.routes())
    app.add_routes(_Desk(vendors, book).routes())
    app.cleanup_ctx.append(turbotext.running)
    return app


class _Desk:
    def __init__(self, vendors: Mapping[str, _Vendor], book: Book) -> None:
        self._vendors = vendors
        self._book = book

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/control", self._show),
            web.put("/control/{vendor}", self._follow),
            web.get("/log", self._log),
            web.delete("/log", self._forget),
        ]

    async def _show(self, _: web.Request) -> web.Response:
        return _json({name: vendor.actor.script for name, vendor in self._vendors.items()})

    async def _follow(self, request: web.Request) -> web.Response:
        vendor = self._vendors.get(request.match_info["vendor"])
        if vendor is None:
            raise web.HTTPNotFound
        try:
            script = msgspec.json.decode(await request.read(), type=Script)
        except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
            return _json({"error": str(wrong)}, status=422)
        vendor.actor.follow(script)
        return _json(script)

    async def _log(self, _: web.Request) -> web.Response:
        return _json(self._book.document())

    async def _forget(self, _: web.Request) -> web.Response:
        self._book.entries.clear()
        return web.Response(status=204)


def _json(document: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(document), status=status, content_type="application/json")


def settings(address: str) -> list[str]:
    """What makes the product call this address instead of the vendors. Any key will do."""
    host = address.rpartition(":")[0]
    return [
        f"GEMINI_BASE_URL=http://{address}",
        f"OPENAI_BASE_URL=http://{address}/v1",
        f"TURBOTEXT_BASE_URL=http://{address}/api_ai",
        *(f"{name}_API_KEY=any" for name in ("GEMINI", "OPENAI", "TURBOTEXT")),
        f"PROVIDER_ALLOWED_HOSTS={host}",
    ]


def serve_vendors(host: str, port: int, tell: Callable[[str], object]) -> None:
    """Until SIGINT or SIGTERM. A call whose client leaves ends. `tell` gets the product's settings, one a line."""
    name = "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104 – a comparison
    for line in settings(f"{name}:{port}"):
        tell(line)
    web.run_app(create_vendors(), host=host, port=port, handler_cancellation=True, print=None, access_log=None)
