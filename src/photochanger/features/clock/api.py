"""`/api/clock` for administrators."""

from typing import Any

from litestar import Controller, Request, post
from litestar.di import NamedDependency

from photochanger.features.audit.deps import actor_of
from photochanger.features.clock.schemas import ClockDocument
from photochanger.features.clock.service import ClockWatch
from photochanger.web.openapi import documented


class ClockApi(Controller):
    path = "/api/clock"
    tags = ("operations",)
    opt = {"access": "admin"}  # noqa: RUF012 – the framework's way

    @post(
        "/accept",
        operation_id="accept_clock",
        summary="Confirm that the answering machine's clock is right, so that deletion goes on",
        status_code=200,
        operation_class=documented(problems=("login-required", "forbidden")),
    )
    async def accept(self, request: Request[Any, Any, Any], clock_watch: NamedDependency[ClockWatch]) -> ClockDocument:
        return await clock_watch.accept(actor_of(request))
