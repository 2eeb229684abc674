"""`GET /api/audit`: who did what, for administrators."""

from datetime import datetime
from typing import Annotated, Any

from litestar import Controller, Request, get
from litestar.di import NamedDependency
from msgspec import Meta, Struct

from photochanger.core.clock import Clock
from photochanger.core.paging import Page, check_span
from photochanger.features.audit.schemas import AuditDocument, AuditFilters
from photochanger.features.audit.service import AuditService
from photochanger.web.openapi import documented
from photochanger.web.query import read_query

_Name = Annotated[str, Meta(min_length=1, max_length=200)]
_Time = Annotated[datetime, Meta(tz=True)]


class AuditQuery(Struct, frozen=True, kw_only=True):
    actor: _Name | None = None
    action: _Name | None = None
    subject: _Name | None = None
    since: _Time | None = None
    until: _Time | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    cursor: str | None = None


class AuditApi(Controller):
    path = "/api/audit"
    tags = ("audit",)
    opt = {"access": "admin"}  # noqa: RUF012 – the framework's way

    @get(
        operation_id="list_audit",
        summary="Who did what, when, from which address; newest first",
        operation_class=documented(query=AuditQuery, problems=("login-required", "forbidden", "validation-failed")),
    )
    async def list_entries(
        self, request: Request[Any, Any, Any], audit: NamedDependency[AuditService], clock: NamedDependency[Clock]
    ) -> Page[AuditDocument]:
        query = read_query(request, AuditQuery)
        check_span(query.since, query.until, clock.now())
        filters = AuditFilters(
            actor=query.actor, action=query.action, subject=query.subject, since=query.since, until=query.until
        )
        return await audit.list_entries(filters, query.limit, query.cursor)
