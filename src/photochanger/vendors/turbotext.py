"""Turbotext's queue: it fetches the photo from its link, and hands the picture out as a link of its own."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
from aiohttp import web
from msgspec import Struct

from photochanger.vendors.book import Book, Entry, Received
from photochanger.vendors.misbehave import sent, silence
from photochanger.vendors.pictures import NoPhoto, answer_picture
from photochanger.vendors.script import Actor, Behaviour

_PICTURES = {
    "generate_image2image": ("url",),
    "mix_images": ("url_image_target", "url"),
    "deepfake_photo": ("url", "url_image_target"),
}
"""What each method fetches; the first is what the picture is made of."""
_FETCH_SECONDS = 20.0
_IN_BODY = {"drip", "reset", "cut", "endless", "gzip_bomb", "redirect"}
_FLAKY_FAULTS = 2
_UNREADABLE = "the picture at the link cannot be read"


class _Job(Struct):
    behaviour: Behaviour
    entry: Entry
    work: "asyncio.Task[bytes]"
    faults_left: int


class TurbotextVendor:
    def __init__(self, book: Book) -> None:
        self.actor = Actor()
        self._book = book
        self._jobs: dict[int, _Job] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/api_ai/available_api", self._available),
            web.post("/api_ai/{method}", self._ask),
            web.get("/turbotext-results/{number:[0-9]+}", self._result),
        ]

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        limit = aiohttp.ClientTimeout(total=_FETCH_SECONDS)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True), timeout=limit) as session:
            self._session = session
            yield
            for job in self._jobs.values():
                job.work.cancel()
            await asyncio.gather(*(job.work for job in self._jobs.values()), return_exceptions=True)

    async def _available(self, request: web.Request) -> web.StreamResponse:
        behaviour = self.actor.script.probe
        if refused := _keyless(request):
            return refused
        await asyncio.sleep(behaviour.delay_ms / 1000)
        if refused := _refused(request, behaviour):
            return refused
        document = {"success": True, "data": sorted(_PICTURES)}
        return await sent(request, behaviour, msgspec.json.encode(document), "application/json")

    async def _ask(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        if refused := _keyless(request):
            return refused
        method = request.match_info["method"]
        if form.get("do") == "get_result":
            return await self._look(form.get("queueid", ""), method)
        if method not in _PICTURES or form.get("do") != "create_queue":
            return web.json_response({"success": False, "error": "unknown method"})
        missing = [field for field in _PICTURES[method] if not form.get(field)]
        if missing:
            return web.json_response({"success": False, "error": f"{missing[0]} is missing"})
        behaviour = self.actor.next()
        if behaviour.do == "hang":
            await silence()
        if refused := _refused(request, behaviour):
            return refused
        entry = self._note(method, behaviour, form)
        work = asyncio.create_task(self._make(entry, behaviour, form))
        self._jobs[entry.number] = _Job(behaviour, entry, work, _FLAKY_FAULTS if behaviour.do == "flaky" else 0)
        return web.json_response({"success": True, "queueid": entry.number})

    def _note(self, method: str, behaviour: Behaviour, form: dict[str, str]) -> Entry:
        plain = {"do", "content", *_PICTURES[method]}
        return self._book.open(
            "turbotext",
            method,
            behaviour,
            pictures=[],
            prompt=form.get("content", ""),
            price_micros=self.actor.script.price_micros or 0,
            options={name: value for name, value in form.items() if name not in plain},
        )

    async def _make(self, entry: Entry, behaviour: Behaviour, form: dict[str, str]) -> bytes:
        fields = _PICTURES[entry.operation]
        links = [form[field] for field in fields]
        if behaviour.do == "echo":
            raise NoPhoto(f"cannot make {form.get('content')} of {' and '.join(links)}")
        photos = [await self._fetched(link) for link in links]
        entry.pictures = [Received.of(field, photo) for field, photo in zip(fields, photos, strict=True)]
        await asyncio.sleep(behaviour.delay_ms / 1000)
        return await asyncio.to_thread(answer_picture, "turbotext", photos[0], behaviour, "1:1")

    async def _fetched(self, link: str) -> bytes:
        try:
            async with self._session.get(link) as answer:
                if answer.status != 200:  # noqa: PLR2004
                    raise NoPhoto
                return await answer.read()
        except (aiohttp.ClientError, TimeoutError, ValueError):
            raise NoPhoto from None

    async def _look(self, number: str, method: str) -> web.Response:
        job = self._jobs.get(int(number)) if number.isdecimal() else None
        if job is None or job.entry.operation != method:
            return web.json_response({"success": False, "error": "no such queueid"})
        if job.faults_left > 1:
            job.faults_left -= 1
            return web.Response(status=503)
        if job.behaviour.do == "queue" or not job.work.done():
            return web.json_response({"action": "reconnect"})
        failure = job.work.exception()
        if failure is not None:
            job.entry.price_micros = 0
            return web.json_response({"success": False, "error": str(failure) or _UNREADABLE})
        return web.json_response(_outcome(job))

    async def _result(self, request: web.Request) -> web.StreamResponse:
        job = self._jobs.get(int(request.match_info["number"]))
        if job is None or not job.work.done():
            return web.Response(status=404)
        if job.faults_left:
            job.faults_left -= 1
            return web.Response(status=503)
        job.entry.is_handed_out = True
        behaviour = job.behaviour
        return await sent(request, behaviour, job.work.result(), behaviour.content_type or f"image/{behaviour.format}")


def _outcome(job: _Job) -> dict[str, Any]:
    """The three places a link may stand in, by method."""
    if job.behaviour.do == "blocked":
        return {"success": True, "data": {"forbidden_content": True}}
    if job.behaviour.do in ("no_image", "text_only"):
        return {"success": True, "data": {}}
    link = f"/turbotext-results/{job.entry.number}"
    match job.entry.operation:
        case "mix_images":
            return {"success": True, "uploaded_image": link}
        case "deepfake_photo":
            return {"success": True, "data": {"uploaded_image": link, "forbidden_content": False}}
    return {"success": True, "data": {"image": [link.removeprefix("/")]}}


def _keyless(request: web.Request) -> web.Response | None:
    if request.headers.get("Authorization", "").startswith("Bearer "):
        return None
    return web.json_response({"success": False, "error": "no key"}, status=401)


def _refused(request: web.Request, behaviour: Behaviour) -> web.Response | None:
    wait = behaviour.retry_after_seconds
    headers = {} if wait is None else {"Retry-After": f"{wait:g}"}
    match behaviour.do:
        case "rate_limited":
            return web.json_response({"success": False, "error": "too many requests"}, status=429, headers=headers)
        case "server_error":
            return web.Response(status=behaviour.status, headers=headers)
        case "wrong_key":
            key = request.headers["Authorization"]
            return web.json_response({"success": False, "error": f"wrong key {key}"}, status=401)
        case "retired_model":
            return web.json_response({"success": False, "error": "no such method"}, status=404)
    return None
