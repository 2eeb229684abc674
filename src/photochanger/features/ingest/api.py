"""`POST /api/ingest/{slot_id}`: the booth's door. HTTP in, HTTP out; the photo's way is `service.ingest`."""

from typing import Any

import structlog
from litestar import Controller, Request, Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream

from photochanger.core.clock import Clock
from photochanger.core.errors import Problem
from photochanger.core.ids import parse_id
from photochanger.features.audit.deps import actor_of, client_address
from photochanger.features.ingest.answers import Answers, Reply, dialect_for
from photochanger.features.ingest.measures import IngestMeasures
from photochanger.features.ingest.rerun import RerunService
from photochanger.features.ingest.schemas import Post
from photochanger.features.ingest.service import IngestService
from photochanger.features.ingest.templates import TemplateService
from photochanger.features.ingest.trial import TrialService
from photochanger.features.jobs.schemas import JobDocument
from photochanger.features.jobs.service import full_document
from photochanger.features.media.schemas import TemplateDocument
from photochanger.features.slots.service import SlotService
from photochanger.web.body import SenderGone, read_chunks
from photochanger.web.context import context_of
from photochanger.web.hosts import Addresses
from photochanger.web.openapi import documented, documented_upload

log = structlog.get_logger()

_PROBLEMS = (
    "malformed-upload",
    "idempotency-key-invalid",
    "slot-credentials-invalid",
    "slot-not-found",
    "slot-disabled",
    "upload-timeout",
    "upload-too-slow",
    "upload-too-large",
    "unsupported-image",
    "unsupported-media-type",
    "expectation-failed",
    "image-unreadable",
    "image-too-many-pixels",
    "idempotency-key-reused",
    "provider-rejected",
    "rate-limited",
    "login-locked",
    "slot-busy",
    "provider-busy",
    "provider-failed",
    "storage-unavailable",
    "database-unavailable",
    "draining",
    "provider-timeout",
)
_FIELDS = {
    "password": "The slot's password; before the file",
    "album": "Photos with the same value form one ordered album",
    "ref": "The sender's own id of a photo or session, 4 to 64 of [A-Za-z0-9_-]",
}
_NOT_IN_A_TEST = {
    *("idempotency-key-invalid", "idempotency-key-reused", "slot-credentials-invalid", "slot-disabled"),
    *("rate-limited", "login-locked"),
}
_TEST_PROBLEMS = (
    *("login-required", "forbidden", "malformed-json", "validation-failed"),
    *(code for code in _PROBLEMS if code not in _NOT_IN_A_TEST),
)
_TEST_FIELDS = {
    "slot": "JSON, as PUT of the slot takes it: what the test changes about the slot",
    "style": "One of the slot's styles",
}
_PARAMETERS = [
    {"name": name, "in": place, "required": False, "schema": {"type": "string"}, "description": what}
    for name, place, what in (
        ("key", "query", "The slot's password"),
        ("ref", "query", "As the text part"),
        ("X-Slot-Password", "header", "The slot's password"),
        ("Idempotency-Key", "header", "One key for each photo; decides alone what is the same photo"),
    )
]


class IngestApi(Controller):
    path = "/api/ingest"
    tags = ("ingest",)

    @post(
        "/{slot_id:str}",
        operation_id="ingest",
        summary="Send one photo, get the transformed photo in the same answer",
        status_code=200,
        opt={"access": "public", "upload": True},
        request_max_body_size=None,
        media_type="image/jpeg",
        operation_class=documented_upload(fields=_FIELDS, parameters=_PARAMETERS, problems=_PROBLEMS),
    )
    async def ingest(
        self,
        request: Request[Any, Any, Any],
        slot_id: FromPath[str],
        ingests: NamedDependency[IngestService],
        slots: NamedDependency[SlotService],
        answers: NamedDependency[Answers],
        addresses: NamedDependency[Addresses],
        measures: NamedDependency[IngestMeasures],
        clock: NamedDependency[Clock],
    ) -> Response[Any]:
        base = addresses.base_url(request.scope)
        outcome = "internal"
        try:
            posted = _post(request, slot_id)
            answer = await ingests.ingest(posted)
            gallery = await slots.gallery_of(answer.slot.slot_id)
            dialect = dialect_for(posted.headers.get("accept", ""), answer.slot.config.response_dialect)
            reply = await answers.write(answer, gallery, base, dialect)
            outcome = reply.headers["X-Outcome"]
        except SenderGone:
            outcome = "aborted"
            log.info("ingest.aborted", slot_id=slot_id)
            raise Problem("malformed-upload", "The sender left before the end of the upload.") from None
        except Problem as problem:
            outcome = problem.code
            raise
        finally:
            measures.answered(slot_id, outcome, clock.monotonic() - context_of(request.scope).started)
        return _response(reply)


class RerunApi(Controller):
    path = "/api/jobs/{job_id:str}/rerun"
    tags = ("jobs",)
    opt = {"access": "admin"}  # noqa: RUF012 – the framework's way

    @post(
        operation_id="rerun_job",
        summary="The photo that was sent once more, as its slot is now: a job of its own, which has just begun",
        status_code=200,
        operation_class=documented(
            problems=("login-required", "forbidden", "job-not-found", "source-gone", "draining")
        ),
    )
    async def rerun(
        self,
        request: Request[Any, Any, Any],
        job_id: FromPath[str],
        reruns: NamedDependency[RerunService],
        addresses: NamedDependency[Addresses],
        clock: NamedDependency[Clock],
    ) -> JobDocument:
        job = await reruns.rerun(parse_id(job_id, missing="job-not-found"), actor_of(request))
        return full_document(job, addresses.base_url(request.scope), clock.now())


class TestRunApi(Controller):
    path = "/api/slots/{slot_id:str}/test-run"
    tags = ("slots",)
    opt = {"access": "admin"}  # noqa: RUF012

    @post(
        operation_id="test_slot",
        summary="Send one photo through a draft of the slot; nothing is saved, and nobody else sees it",
        status_code=200,
        opt={"upload": True},
        request_max_body_size=None,
        media_type="image/jpeg",
        operation_class=documented_upload(fields=_TEST_FIELDS, file="photo", problems=_TEST_PROBLEMS),
    )
    async def test_run(
        self,
        request: Request[Any, Any, Any],
        slot_id: FromPath[str],
        trials: NamedDependency[TrialService],
        answers: NamedDependency[Answers],
        addresses: NamedDependency[Addresses],
    ) -> Response[Any]:
        try:
            answer = await trials.run(_post(request, slot_id), actor_of(request))
        except SenderGone:
            raise Problem("malformed-upload", "The sender left before the end of the upload.") from None
        dialect = dialect_for(request.headers.get("accept", ""), answer.slot.config.response_dialect)
        return _response(await answers.write(answer, answer.slot, addresses.base_url(request.scope), dialect))


class TemplatesApi(Controller):
    path = "/api/templates"
    tags = ("slots",)
    opt = {"access": "admin"}  # noqa: RUF012 – the framework's way

    @post(
        operation_id="add_template",
        summary="Upload a template image (a frame, a watermark) for slots' template_media",
        opt={"upload": True},
        request_max_body_size=None,
        operation_class=documented_upload(
            fields={},
            problems=(
                *("login-required", "forbidden", "malformed-upload", "upload-timeout", "upload-too-slow"),
                *("upload-too-large", "unsupported-image", "draining"),
            ),
        ),
    )
    async def add(
        self, request: Request[Any, Any, Any], templates: NamedDependency[TemplateService]
    ) -> TemplateDocument:
        try:
            return await templates.add(request.headers.get("content-type"), read_chunks(request), actor_of(request))
        except SenderGone:
            raise Problem("malformed-upload", "The sender left before the end of the upload.") from None


def _response(reply: Reply) -> Response[Any]:
    # As a header: the framework's streams prefer the media type of the route, which only documents it.
    headers = reply.headers | {"Content-Type": reply.media_type}
    if isinstance(reply.body, bytes):
        return Response(reply.body, status_code=reply.status, headers=headers, media_type=reply.media_type)
    return Stream(reply.body, status_code=reply.status, headers=headers)


def _post(request: Request[Any, Any, Any], slot_id: str) -> Post:
    headers = {name.lower(): value for name, value in request.headers.items()}
    if headers.get("expect", "100-continue").lower() != "100-continue":
        raise Problem("expectation-failed")
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Problem("unsupported-media-type", "Send the upload without a content encoding.")
    length = headers.get("content-length", "")
    context = context_of(request.scope)
    return Post(
        slot_id=slot_id,
        address=client_address(request),
        headers=headers,
        idempotency_keys=request.headers.getall("idempotency-key", []),
        query=dict(request.query_params.items()),
        content_length=int(length[:20]) if length.isdecimal() else None,
        chunks=read_chunks(request),
        started=context.started,
    )
