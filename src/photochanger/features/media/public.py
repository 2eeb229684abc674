"""`/public/results`: a photo to whoever may see it.

`/public/store`: links of the folder store; `/public/inputs`: links for vendors.
"""

from typing import Any, Final, Literal

from litestar import Controller, HttpMethod, Request, Response, get, route
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream

from photochanger.adapters.storage.links import LinkSigner
from photochanger.adapters.storage.store import ObjectMissing, ObjectStore, StoredObject
from photochanger.core.clock import Clock
from photochanger.core.errors import Problem
from photochanger.core.ids import parse_id
from photochanger.features.jobs.service import JobService
from photochanger.features.media.delivery import Delivery
from photochanger.features.media.inputs import Inputs
from photochanger.features.media.schemas import Variant
from photochanger.features.slots.access import GalleryAccess, may_see_photo
from photochanger.features.slots.service import SlotService
from photochanger.web.openapi import documented, read_operation
from photochanger.web.problems import accepts

_PROBLEMS = ("result-not-found", "result-expired", "result-removed", "pin-required", "range-not-satisfiable")
_MOVED = "In `Location` a link to the store, where DELIVERY is redirect and the gallery is open"
_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]


class ResultsPublic(Controller):
    path = "/public/results"
    tags = ("public",)
    opt = {"access": "public"}  # noqa: RUF012 – the framework's way

    @route(
        "/{job_id:str}",
        http_method=_READ,
        operation_id=read_operation("result"),
        summary="The transformed photo; ?download=1 as an attachment",
        media_type="image/jpeg",
        operation_class=documented(problems=_PROBLEMS, moved=_MOVED),
    )
    async def show(
        self,
        request: Request[Any, Any, Any],
        job_id: FromPath[str],
        jobs: NamedDependency[JobService],
        slots: NamedDependency[SlotService],
        access: NamedDependency[GalleryAccess],
        delivery: NamedDependency[Delivery],
    ) -> Response[Any]:
        return await _answer(request, job_id, "full", jobs, slots, access, delivery)

    @route(
        "/{job_id:str}/{size:str}",
        http_method=_READ,
        operation_id=read_operation("rendition"),
        summary="`thumb` (400 px) or `screen` (1600 px), as WebP where Accept names it, else as JPEG",
        media_type="image/webp",
        operation_class=documented(problems=_PROBLEMS, moved=_MOVED),
    )
    async def show_rendition(
        self,
        request: Request[Any, Any, Any],
        job_id: FromPath[str],
        size: FromPath[str],
        jobs: NamedDependency[JobService],
        slots: NamedDependency[SlotService],
        access: NamedDependency[GalleryAccess],
        delivery: NamedDependency[Delivery],
    ) -> Response[Any]:
        variant = _RENDITIONS.get((size, accepts(request, "image/webp")))
        if variant is None:
            raise Problem("result-not-found")
        return await _answer(request, job_id, variant, jobs, slots, access, delivery)


_RENDITIONS: Final[dict[tuple[str, bool], Variant]] = {
    ("thumb", True): "thumb.webp",
    ("thumb", False): "thumb.jpeg",
    ("screen", True): "screen.webp",
    ("screen", False): "screen.jpeg",
}


async def _answer(
    request: Request[Any, Any, Any],
    job_id: str,
    variant: Variant,
    jobs: JobService,
    slots: SlotService,
    access: GalleryAccess,
    delivery: Delivery,
) -> Response[Any]:
    job = await jobs.find_for_result(parse_id(job_id, missing="result-not-found"))
    gallery = await slots.gallery_of(job.slot_id)
    cookie = request.cookies.get(access.cookie_name(gallery))
    query = request.query_params
    may_see_photo(
        access,
        None if job.is_test else gallery,
        job.link_token,
        token=query.get("t"),
        link=query.get("k"),
        pin_cookie=cookie,
    )
    media = await delivery.find(job, variant)
    is_open, download = gallery.config.gallery.access == "open" and not job.is_test, query.get("download") == "1"
    if is_open:
        method: Literal["GET", "HEAD"] = "HEAD" if request.method == "HEAD" else "GET"
        moved = await delivery.redirect(job, media, method=method, download=download)
        if moved is not None:
            return Response(b"", status_code=moved.status, headers=moved.headers, media_type=media.content_type)
    served = delivery.serve(job, media, _conditions(request), private=not is_open, download=download)
    if served.status == 304 or request.method == "HEAD":  # noqa: PLR2004
        return Response(b"", status_code=served.status, headers=served.headers, media_type=media.content_type)
    return Stream(
        await delivery.open(job, media, served.start, served.length),
        status_code=served.status,
        headers=served.headers,
        media_type=media.content_type,
    )


def _conditions(request: Request[Any, Any, Any]) -> dict[str, str]:
    """The headers that decide about an answer; a range means nothing to HEAD (RFC 9110, 14.2)."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    if request.method == "HEAD":
        headers.pop("range", None)
    return headers


class StorePublic(Controller):
    """What the folder store's presigned links lead to; an S3 store has an address of its own for them."""

    path = "/public/store"
    opt = {"access": "public"}  # noqa: RUF012
    include_in_schema: Literal[False] = False

    @get("/{token:str}")
    async def show(
        self,
        token: FromPath[str],
        links: NamedDependency[LinkSigner],
        store: NamedDependency[ObjectStore],
        clock: NamedDependency[Clock],
    ) -> Response[Any]:
        key = links.verify(token, clock.now())
        found = await store.head(key)
        if found is None:
            raise Problem("not-found")
        return Stream(_read(store, key), headers=_private(found), media_type="application/octet-stream")


class InputsPublic(Controller):
    """What vendors fetch that take links instead of bytes."""

    path = "/public/inputs"
    opt = {"access": "public"}  # noqa: RUF012
    include_in_schema: Literal[False] = False

    @route("/{token:str}", http_method=_READ)
    async def show(
        self,
        request: Request[Any, Any, Any],
        token: FromPath[str],
        inputs: NamedDependency[Inputs],
        store: NamedDependency[ObjectStore],
    ) -> Response[Any]:
        key, media_type = inputs.find(token)
        found = await store.head(key)
        if found is None:
            raise Problem("not-found")
        if request.method == "HEAD":
            return Response(b"", headers=_private(found), media_type=media_type)
        return Stream(_read(store, key), headers=_private(found), media_type=media_type)


def _private(found: StoredObject) -> dict[str, str]:
    return {"Content-Length": str(found.size_bytes), "Cache-Control": "private, no-store"}


async def _read(store: ObjectStore, key: str) -> Any:
    try:
        async with store.get(key) as chunks:
            async for chunk in chunks:
                yield chunk
    except ObjectMissing:
        return
