"""`/api/jobs`: one job for whoever has its id, more of it for an administrator or with the slot's password."""

from datetime import datetime
from typing import Annotated, Any, Literal

from litestar import Controller, Request, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta, Struct

from photochanger.core.clock import Clock
from photochanger.core.errors import Problem
from photochanger.core.ids import parse_id
from photochanger.core.paging import Page, check_span
from photochanger.features.audit.deps import client_address
from photochanger.features.jobs.schemas import JobDocument
from photochanger.features.jobs.service import JobService, full_document, job_document
from photochanger.features.slots.access import password_of
from photochanger.features.slots.links import result_url
from photochanger.features.slots.service import SlotService
from photochanger.web.hosts import Addresses
from photochanger.web.openapi import documented
from photochanger.web.query import read_query

_Time = Annotated[datetime, Meta(tz=True)]


class JobsQuery(Struct, frozen=True, kw_only=True):
    slot_id: Annotated[str, Meta(min_length=1, max_length=32)] | None = None
    status: Literal["processing", "done", "failed", "timeout", "rejected"] | None = None
    since: _Time | None = None
    until: _Time | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    cursor: str | None = None


class JobsApi(Controller):
    path = "/api/jobs"
    tags = ("jobs",)

    @get(
        operation_id="list_jobs",
        summary="Jobs, newest first, also those past their time",
        opt={"access": "admin"},
        operation_class=documented(query=JobsQuery, problems=("login-required", "forbidden", "validation-failed")),
    )
    async def list_jobs(
        self,
        request: Request[Any, Any, Any],
        jobs: NamedDependency[JobService],
        clock: NamedDependency[Clock],
        addresses: NamedDependency[Addresses],
    ) -> Page[JobDocument]:
        query = read_query(request, JobsQuery)
        check_span(query.since, query.until, clock.now())
        page = await jobs.list_page(
            slot_id=query.slot_id,
            status=query.status,
            since=query.since,
            until=query.until,
            cursor=query.cursor,
            limit=query.limit,
        )
        base, now = addresses.base_url(request.scope), clock.now()
        return Page([full_document(job, base, now) for job in page.items], page.next_cursor)

    @get(
        "/{job_id:str}",
        operation_id="get_job",
        summary="One job",
        opt={"access": "optional"},
        operation_class=documented(problems=("job-not-found", "slot-credentials-invalid", "login-locked")),
    )
    async def show(
        self,
        request: Request[Any, Any, Any],
        job_id: FromPath[str],
        jobs: NamedDependency[JobService],
        slots: NamedDependency[SlotService],
        clock: NamedDependency[Clock],
        addresses: NamedDependency[Addresses],
    ) -> JobDocument:
        is_admin = request.user is not None and request.user.role == "admin"
        job = await jobs.get(parse_id(job_id, missing="job-not-found"), past=is_admin)
        if job.is_test and not is_admin:
            raise Problem("job-not-found")
        base, now = addresses.base_url(request.scope), clock.now()
        password = password_of(request.headers.get("x-slot-password"))
        if not is_admin and password is None:
            return job_document(job, now, link=result_url(base, job.id))
        if not is_admin:
            await slots.authorise(await slots.get(job.slot_id), password, client_address(request))
        link = result_url(base, job.id, token=job.link_token)
        return job_document(job, now, link=link, attempts=await jobs.list_attempts(job.id), full=True)
