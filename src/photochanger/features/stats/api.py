"""`/api/stats` for administrators. Counted when it is asked for: never old."""

from typing import Annotated, Any

from litestar import Controller, Request, get
from litestar.di import NamedDependency
from msgspec import Meta, Struct

from photochanger.features.stats.schemas import SlotsStats, Stats
from photochanger.features.stats.service import StatsService
from photochanger.web.hosts import Addresses
from photochanger.web.openapi import documented
from photochanger.web.query import read_query


class StatsQuery(Struct, frozen=True, kw_only=True):
    window_minutes: Annotated[int, Meta(ge=5, le=43_200)] = 60
    slot_id: Annotated[str, Meta(min_length=1, max_length=32)] | None = None


_OPERATION = documented(query=StatsQuery, problems=("login-required", "forbidden", "validation-failed"))


class StatsApi(Controller):
    path = "/api/stats"
    tags = ("stats",)
    opt = {"access": "admin"}  # noqa: RUF012 – the framework's way

    @get(
        "/system",
        operation_id="get_system_stats",
        summary="What was received, how it ended and what it cost; all slots together, or one",
        operation_class=_OPERATION,
    )
    async def system(
        self,
        request: Request[Any, Any, Any],
        stats: NamedDependency[StatsService],
        addresses: NamedDependency[Addresses],
    ) -> Stats:
        query = read_query(request, StatsQuery)
        return await stats.system(query.window_minutes, query.slot_id, addresses.base_url(request.scope))

    @get(
        "/slots",
        operation_id="get_slot_stats",
        summary="The same for each slot",
        operation_class=_OPERATION,
    )
    async def slots(
        self,
        request: Request[Any, Any, Any],
        stats: NamedDependency[StatsService],
        addresses: NamedDependency[Addresses],
    ) -> SlotsStats:
        query = read_query(request, StatsQuery)
        return await stats.slots(query.window_minutes, query.slot_id, addresses.base_url(request.scope))
