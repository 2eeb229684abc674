"""The gallery's page and its JSON, its PIN, and albums: for visitors, who have no account."""

from typing import Any
from urllib.parse import urlencode

from litestar import Controller, HttpMethod, Request, Response, post, route
from litestar.di import NamedDependency
from litestar.params import FromPath

from photochanger.core.errors import Problem
from photochanger.core.ids import parse_id
from photochanger.features.audit.deps import client_address
from photochanger.features.galleries.schemas import AlbumDocument, GalleryDocument, GalleryQuery, PhotoDocument
from photochanger.features.galleries.service import GalleryService
from photochanger.features.jobs.models import Job
from photochanger.features.jobs.service import result_summary
from photochanger.features.slots.access import GalleryAccess
from photochanger.features.slots.links import result_url
from photochanger.features.slots.schemas import ConfiguredSlot
from photochanger.web.body import read_form
from photochanger.web.hosts import Addresses
from photochanger.web.openapi import documented, read_operation
from photochanger.web.problems import accepts_html
from photochanger.web.query import read_query
from photochanger.web.render import page

_PROBLEMS = ("gallery-not-found", "pin-required")
_COOKIE_SECONDS = 7 * 24 * 3600


class GalleriesPublic(Controller):
    path = "/public"
    tags = ("public",)
    opt = {"access": "public"}  # noqa: RUF012 – the framework's way

    @route(
        "/slots/{slot_id:str}",
        http_method=[HttpMethod.GET, HttpMethod.HEAD],
        operation_id=read_operation("gallery"),
        summary="The slot's live results, newest first: a page, or JSON",
        operation_class=documented(query=GalleryQuery, problems=(*_PROBLEMS, "validation-failed")),
    )
    async def show(
        self,
        request: Request[Any, Any, Any],
        slot_id: FromPath[str],
        galleries: NamedDependency[GalleryService],
        access: NamedDependency[GalleryAccess],
        addresses: NamedDependency[Addresses],
    ) -> Response[Any]:
        query = read_query(request, GalleryQuery)
        gallery = await galleries.get_gallery(slot_id)
        form = _let_in(request, access, gallery, slot_id, link=query.k)
        if form is not None:
            return form
        found = await galleries.show(gallery, page=query.page)
        base, key = addresses.base_url(request.scope), _key(gallery)
        document = GalleryDocument(
            slot_id=slot_id,
            title=gallery.config.gallery.title or gallery.name,
            items=[_photo(job, base, key) for job in found.jobs],
            next_page=query.page + 1 if found.has_next else None,
        )
        headers = {"Cache-Control": "private, no-cache", "Vary": "Accept, Cookie"}
        if not accepts_html(request):
            return Response(document, headers=headers)
        context = {
            "gallery": document,
            "previous": _page_address(slot_id, query.page - 1, key) if query.page > 1 else None,
            "next": _page_address(slot_id, query.page + 1, key) if found.has_next else None,
        }
        return page(request, "galleries/gallery.html", context, fragment="photos", headers=headers)

    @post(
        "/slots/{slot_id:str}/pin",
        operation_id="give_pin",
        summary="Give the gallery's PIN, as the form field `pin`",
        operation_class=documented(
            content_type="application/x-www-form-urlencoded", problems=(*_PROBLEMS, "pin-locked")
        ),
    )
    async def give_pin(
        self,
        request: Request[Any, Any, Any],
        slot_id: FromPath[str],
        galleries: NamedDependency[GalleryService],
        access: NamedDependency[GalleryAccess],
        addresses: NamedDependency[Addresses],
    ) -> Response[Any]:
        gallery = await galleries.get_gallery(slot_id)
        if gallery.config.gallery.access != "pin":
            raise Problem("gallery-not-found")
        pin = (await read_form(request)).get("pin", "")
        if not await galleries.is_pin(gallery, pin, client_address(request)):
            if accepts_html(request):
                return _pin_form(request, slot_id, error="That is not the PIN. Try again.")
            raise Problem("pin-required", "That is not the PIN. Try again.")
        answer: Response[Any] = Response(
            None, status_code=303, headers={"Location": f"/public/slots/{slot_id}", "Cache-Control": "no-store"}
        )
        answer.set_cookie(
            key=access.cookie_name(gallery),
            value=access.pin_cookie(gallery),
            max_age=_COOKIE_SECONDS,
            path="/public",
            secure=addresses.base_url(request.scope).startswith("https:"),
            httponly=True,
            samesite="lax",
        )
        return answer

    @route(
        "/albums/{album_id:str}",
        http_method=[HttpMethod.GET, HttpMethod.HEAD],
        operation_id=read_operation("album"),
        summary="One album in its order: a page, or JSON",
        operation_class=documented(problems=_PROBLEMS),
    )
    async def show_album(
        self,
        request: Request[Any, Any, Any],
        album_id: FromPath[str],
        galleries: NamedDependency[GalleryService],
        access: NamedDependency[GalleryAccess],
        addresses: NamedDependency[Addresses],
    ) -> Response[Any]:
        album, jobs = await galleries.get_album(parse_id(album_id, missing="gallery-not-found"))
        gallery = await galleries.get_gallery(album.slot_id)
        form = _let_in(request, access, gallery, album.slot_id, link=request.query_params.get("k"))
        if form is not None:
            return form
        base, key = addresses.base_url(request.scope), _key(gallery)
        items = [_photo(job, base, key) for job in jobs]
        document = AlbumDocument(album_id=album_id, slot_id=album.slot_id, items=items)
        headers = {"Cache-Control": "private, no-cache", "Vary": "Accept, Cookie"}
        if not accepts_html(request):
            return Response(document, headers=headers)
        shown = GalleryDocument(slot_id=album.slot_id, title=album.key, items=items, next_page=None)
        context = {"gallery": shown, "previous": None, "next": None}
        return page(request, "galleries/gallery.html", context, fragment="photos", headers=headers)


def _let_in(
    request: Request[Any, Any, Any], access: GalleryAccess, gallery: ConfiguredSlot, slot_id: str, *, link: str | None
) -> Response[str] | None:
    """The PIN form for a browser that has not given it; programs, and whoever may not come in at all, get a problem."""
    try:
        access.check(gallery, link=link, pin_cookie=request.cookies.get(access.cookie_name(gallery)))
    except Problem as problem:
        if problem.code == "pin-required" and accepts_html(request):
            return _pin_form(request, slot_id)
        raise
    return None


def _pin_form(request: Request[Any, Any, Any], slot_id: str, *, error: str | None = None) -> Response[str]:
    headers = {"Cache-Control": "no-store"}
    context = {"action": f"/public/slots/{slot_id}/pin", "error": error}
    return page(request, "galleries/pin.html", context, fragment="pin_form", status_code=401, headers=headers)


def _key(gallery: ConfiguredSlot) -> dict[str, str]:
    """What every address of a `link` gallery carries."""
    return {"k": gallery.link_token} if gallery.config.gallery.access == "link" else {}


def _photo(job: Job, base: str, key: dict[str, str]) -> PhotoDocument:
    summary = result_summary(job)
    link, query = result_url(base, job.id), f"?{urlencode(key)}" if key else ""
    return PhotoDocument(
        job_id=str(job.id),
        url=link + query,
        thumb_url=f"{link}/thumb{query}",
        screen_url=f"{link}/screen{query}",
        width=summary.width,
        height=summary.height,
        created_at=job.finished_at or job.received_at,
        expires_at=job.expires_at,
    )


def _page_address(slot_id: str, number: int, key: dict[str, str]) -> str:
    return f"/public/slots/{slot_id}?{urlencode({'page': number, **key})}"
