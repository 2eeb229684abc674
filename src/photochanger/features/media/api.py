"""What an administrator does to a job's result, to a slot's stored photos, and to template images."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, delete, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta, Struct

from photochanger.core.clock import Clock
from photochanger.core.forms import Mistakes, read_document
from photochanger.core.ids import parse_id
from photochanger.features.audit.deps import actor_of
from photochanger.features.jobs.models import Job
from photochanger.features.jobs.schemas import JobDocument
from photochanger.features.jobs.service import full_document
from photochanger.features.media.retention import Retention
from photochanger.features.media.schemas import CleanupDocument
from photochanger.features.slots.service import SlotService
from photochanger.web.body import read_json
from photochanger.web.hosts import Addresses
from photochanger.web.openapi import documented
from photochanger.web.query import read_query

_PROBLEMS = ("login-required", "forbidden", "job-not-found")


class ExpiryInput(Struct, frozen=True):
    expires_at: Annotated[datetime, Meta(tz=True)]


class CleanupQuery(Struct, frozen=True):
    everything: bool = False


class ResultsApi(Controller):
    path = "/api/jobs/{job_id:str}"
    tags = ("jobs",)
    opt = {"access": "admin"}  # noqa: RUF012 – the framework's way

    @post(
        "/hide",
        operation_id="hide_job",
        summary="Hide the photo from everybody",
        status_code=200,
        operation_class=documented(problems=_PROBLEMS),
    )
    async def hide(
        self,
        request: Request[Any, Any, Any],
        job_id: FromPath[str],
        retention: NamedDependency[Retention],
        clock: NamedDependency[Clock],
        addresses: NamedDependency[Addresses],
    ) -> JobDocument:
        job = await retention.set_hidden(_id(job_id), actor_of(request), hidden=True)
        return _document(request, job, clock, addresses)

    @post(
        "/show",
        operation_id="show_job",
        summary="Show the photo again; approves one that waits for it",
        status_code=200,
        operation_class=documented(problems=_PROBLEMS),
    )
    async def show(
        self,
        request: Request[Any, Any, Any],
        job_id: FromPath[str],
        retention: NamedDependency[Retention],
        clock: NamedDependency[Clock],
        addresses: NamedDependency[Addresses],
    ) -> JobDocument:
        job = await retention.set_hidden(_id(job_id), actor_of(request), hidden=False)
        return _document(request, job, clock, addresses)

    @delete(
        "/result",
        operation_id="delete_result",
        summary="Delete the result, its renditions and its source for good",
        operation_class=documented(problems=(*_PROBLEMS, "result-not-found")),
    )
    async def remove(
        self, request: Request[Any, Any, Any], job_id: FromPath[str], retention: NamedDependency[Retention]
    ) -> None:
        await retention.remove(_id(job_id), actor_of(request))

    @put(
        "/expiry",
        operation_id="change_expiry",
        summary="Move the result's end to any time from now to 30 days ahead",
        operation_class=documented(
            body=ExpiryInput, problems=(*_PROBLEMS, "malformed-json", "validation-failed", "result-expired")
        ),
    )
    async def change_expiry(
        self,
        request: Request[Any, Any, Any],
        job_id: FromPath[str],
        retention: NamedDependency[Retention],
        clock: NamedDependency[Clock],
        addresses: NamedDependency[Addresses],
    ) -> JobDocument:
        mistakes = Mistakes()
        wanted = read_document(ExpiryInput, await read_json(request), mistakes)
        mistakes.raise_if_any()
        job = await retention.set_expiry(_id(job_id), wanted.expires_at, actor_of(request))
        return _document(request, job, clock, addresses)


class CleanupApi(Controller):
    path = "/api/slots/{slot_id:str}/cleanup"
    tags = ("slots",)
    opt = {"access": "admin"}  # noqa: RUF012

    @post(
        operation_id="clean_slot",
        summary="Delete what is over of a slot; ?everything=true also live results",
        status_code=200,
        operation_class=documented(
            query=CleanupQuery, problems=("login-required", "forbidden", "slot-not-found", "validation-failed")
        ),
    )
    async def clean(
        self,
        request: Request[Any, Any, Any],
        slot_id: FromPath[str],
        slots: NamedDependency[SlotService],
        retention: NamedDependency[Retention],
    ) -> CleanupDocument:
        query = read_query(request, CleanupQuery)
        slot = await slots.get(slot_id)
        return await retention.clean_slot(slot.slot_id, actor_of(request), everything=query.everything)


def _id(text: str) -> UUID:
    return parse_id(text, missing="job-not-found")


def _document(request: Request[Any, Any, Any], job: Job, clock: Clock, addresses: Addresses) -> JobDocument:
    return full_document(job, addresses.base_url(request.scope), clock.now())
