"""The vendors' stand-ins in this process, on a real port, and links for photos like the ones the product makes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import psutil
from aiohttp import web

from photochanger.vendors.app import create_vendors, settings


class Vendors:
    def __init__(self, runner: web.AppRunner, session: aiohttp.ClientSession) -> None:
        self._runner = runner
        self._session = session
        self.published: dict[str, bytes] = {}
        self.product: Any = None  # a client
        """Where links of a product lead to whose PUBLIC_BASE_URL is ours."""
        self.fetched: list[tuple[str, int, str]] = []
        """Path, status and type of each."""
        self.gate = asyncio.Event()
        """Answers wait while it is not set."""
        self.gate.set()

    @property
    def port(self) -> int:
        port: int = self._runner.addresses[0][1]
        return port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environ(self) -> dict[str, str]:
        """Leads a product here."""
        return dict(line.split("=", 1) for line in settings(f"127.0.0.1:{self.port}"))

    @property
    def socket_count(self) -> int:
        """What the kernel holds open to us and for us, our half closed by the other end included."""
        ends = psutil.Process().net_connections("tcp")
        ours = [end for end in ends if end.status != psutil.CONN_LISTEN]
        return sum(self.port in [address.port for address in (end.laddr, end.raddr) if address] for end in ours)

    async def restart(self) -> None:
        for vendor in ("gemini", "openai", "turbotext"):
            await self.play(vendor)
        async with self._session.delete(f"{self.url}/log") as answer:
            assert answer.status == 204
        self.published.clear()
        self.fetched.clear()

    async def play(self, vendor: str, *sequence: dict[str, Any] | str, **script: Any) -> None:
        """The script: what to do call by call, each a name or a whole behaviour."""
        acts = [{"do": each} if isinstance(each, str) else each for each in sequence]
        async with self._session.put(f"{self.url}/control/{vendor}", json={"sequence": acts, **script}) as answer:
            assert answer.status == 200, await answer.text()

    async def log(self) -> dict[str, Any]:
        async with self._session.get(f"{self.url}/log") as answer:
            document: dict[str, Any] = await answer.json()
            return document

    async def publish(self, data: bytes) -> str:
        name = str(len(self.published))
        self.published[name] = data
        return f"{self.url}/published/{name}"

    async def hold(self, _: web.Request, answer: web.StreamResponse) -> None:
        await self.gate.wait()

    async def show(self, request: web.Request) -> web.Response:
        return web.Response(body=self.published[request.match_info["name"]])

    async def fetch(self, request: web.Request) -> web.Response:
        answer = await self.product.get(request.path)
        self.fetched.append((request.path, answer.status_code, answer.headers["content-type"]))
        return web.Response(body=answer.content, status=answer.status_code)


@asynccontextmanager
async def running_vendors() -> AsyncIterator[Vendors]:
    app = create_vendors()
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=1.0)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        vendors = Vendors(runner, session)
        app.router.add_get("/published/{name}", vendors.show)
        app.router.add_get("/public/inputs/{token}", vendors.fetch)
        app.on_response_prepare.append(vendors.hold)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield vendors
        finally:
            await runner.cleanup()
