"""A server that takes what is posted to it, and answers as it is told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web


class Receiver:
    def __init__(self) -> None:
        self.url = ""
        self.posts: list[dict[str, Any]] = []
        self.status = 204
        self.location = ""

    async def take(self, request: web.Request) -> web.Response:
        self.posts.append(await request.json())
        return web.Response(status=self.status, headers={"Location": self.location} if self.location else None)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/{path:.*}", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    receiver.url = f"http://localhost:{port}/hooks/SECRET-PATH?token=SECRET-QUERY"
    try:
        yield receiver
    finally:
        await runner.cleanup()
