"""`/api/prices` for administrators."""

from typing import Any

from litestar import Controller, Request, get, put
from litestar.di import NamedDependency

from photochanger.features.audit.deps import actor_of
from photochanger.features.prices.schemas import PriceDocument, PriceList
from photochanger.features.prices.service import PriceService
from photochanger.web.body import read_json
from photochanger.web.openapi import documented


class PricesApi(Controller):
    path = "/api/prices"
    tags = ("stats",)
    opt = {"access": "admin"}  # noqa: RUF012 – the framework's way

    @get(
        operation_id="list_prices",
        summary="What vendors bill, each price with the moment it begins",
        operation_class=documented(problems=("login-required", "forbidden")),
    )
    async def list_prices(self, prices: NamedDependency[PriceService]) -> PriceList:
        return await prices.list_all()

    @put(
        operation_id="put_price",
        summary="Save a price from a moment on",
        operation_class=documented(
            body=PriceDocument, problems=("malformed-json", "login-required", "forbidden", "validation-failed")
        ),
    )
    async def save(self, request: Request[Any, Any, Any], prices: NamedDependency[PriceService]) -> PriceDocument:
        return await prices.put(await read_json(request), actor_of(request))
