"""A small application around some handlers, closed by the product's guard, and a client for it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
from litestar.di import Provide

from photochanger.core.clock import Clock
from photochanger.features.accounts.deps import AccessGuard
from photochanger.features.accounts.service import AccountService
from tests.support.web import client_of, kit_app


def _given(service: object) -> Provide:
    def give() -> Any:
        return service

    return Provide(give, sync_to_thread=False)


@asynccontextmanager
async def serving(
    handlers: Sequence[Any],
    services: Mapping[str, object],
    *,
    accounts: AccountService,
    clock: Clock,
    peer: str = "127.0.0.1",
) -> AsyncIterator[httpx.AsyncClient]:
    """Handlers get `services` by name; `peer` is the client's address."""
    app = kit_app(
        *handlers,
        clock=clock,
        dependencies={name: _given(service) for name, service in services.items()},
        guards=[AccessGuard(accounts)],
    )
    async with client_of(app, peer=peer) as client:
        yield client
