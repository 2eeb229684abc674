"""A tiny application on the web kit, for tests of the kit and of single controllers."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn
from litestar import Litestar

from photochanger.assets import assets
from photochanger.core.clock import Clock
from photochanger.web.guard import Guard
from photochanger.web.hosts import Addresses
from photochanger.web.layers import install_layers
from photochanger.web.metrics import Metrics
from photochanger.web.openapi import openapi_config
from photochanger.web.problems import EXCEPTION_HANDLERS
from photochanger.web.render import environment, template_config
from photochanger.web.server import server_config
from photochanger.web.static import StaticFiles
from tests.support.clock import FakeClock


def kit_app(
    *handlers: Any,
    clock: Clock | None = None,
    addresses: Addresses | None = None,
    metrics: Metrics | None = None,
    image_hosts: Iterable[str] = (),
    **options: Any,
) -> Litestar:
    clock = clock or FakeClock()
    static = StaticFiles(assets("static"))
    app = Litestar(
        [*handlers, static.handler()],
        exception_handlers=EXCEPTION_HANDLERS,
        template_config=template_config(environment(assets("templates"), static, clock)),
        openapi_config=openapi_config("1.0.0"),
        logging_config=None,
        debug=False,
        **options,
    )
    install_layers(
        app,
        clock=clock,
        addresses=addresses or Addresses(own=lambda: frozenset({"192.168.1.7"})),
        metrics=metrics or Metrics(),
        image_hosts=image_hosts,
    )
    return app


@asynccontextmanager
async def client_of(
    app: Litestar, *, peer: str = "127.0.0.1", base_url: str = "http://localhost"
) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app, client=(peer, 50_000), raise_app_exceptions=False)  # type: ignore[arg-type]
    async with app.lifespan(), httpx.AsyncClient(transport=transport, base_url=base_url) as client:
        yield client


@asynccontextmanager
async def serving_app(app: Any, guard: type[Guard] = Guard) -> AsyncIterator[int]:
    """A real server in this process, as the product sets it up; its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = server_config(app, "127.0.0.1", 0)
    config.http = guard
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve([listener]))
    while not server.started:  # noqa: ASYNC110 – uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task
