"""OpenAI's image edits and list of models."""

import asyncio
import base64
from math import gcd

import msgspec
from aiohttp import web

from photochanger.vendors.book import Book, Received
from photochanger.vendors.misbehave import sent
from photochanger.vendors.pictures import NoPhoto, answer_picture
from photochanger.vendors.script import Actor, Behaviour

_IMAGES = 16


class OpenAIVendor:
    def __init__(self, book: Book) -> None:
        self.actor = Actor()
        self._book = book
        self._linked: dict[str, bytes] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/images/edits", self._edit),
            web.get("/v1/models", self._models),
            web.get("/openai-results/{number}", self._result),
        ]

    async def _result(self, request: web.Request) -> web.Response:
        found = self._linked.get(request.match_info["number"])
        return web.Response(status=404) if found is None else web.Response(body=found)

    async def _models(self, request: web.Request) -> web.StreamResponse:
        behaviour = self.actor.script.probe
        if refused := _keyless(request):
            return refused
        await asyncio.sleep(behaviour.delay_ms / 1000)
        if refused := _refused(request, behaviour):
            return refused
        document = {"object": "list", "data": [{"id": "gpt-image-1", "object": "model"}]}
        return await sent(request, behaviour, msgspec.json.encode(document), "application/json")

    async def _edit(self, request: web.Request) -> web.StreamResponse:
        behaviour = self.actor.next()
        if refused := _keyless(request):
            return refused
        files, texts = await _form(request)
        photos = [data for name, data in files if name == "image[]"]
        if not 1 <= len(photos) <= _IMAGES or not texts.get("prompt"):
            return _error(400, "invalid_request", "image and prompt are required.")
        entry = self._book.open(
            "openai",
            "images/edits",
            behaviour,
            pictures=[Received.of(name, data) for name, data in files],
            prompt=texts["prompt"],
            price_micros=self.actor.script.price_micros or 0,
            model=texts.pop("model", None),
            options={name: value for name, value in texts.items() if name != "prompt"},
        )
        await asyncio.sleep(behaviour.delay_ms / 1000)
        if refused := _refused(request, behaviour, texts["prompt"]):
            return refused
        try:
            picture = await _picture(photos[0], behaviour, texts.get("size", "auto"))
        except NoPhoto:
            entry.price_micros = 0
            return _error(400, "invalid_image_file", "The image cannot be read.")
        entry.is_handed_out = True
        data = [] if picture is None else [self._handed(picture, behaviour, entry.number)]
        document = {"created": 0, "data": data, "usage": {"input_tokens": 420, "output_tokens": 1056}}
        response = await sent(request, behaviour, msgspec.json.encode(document), "application/json")
        if not response.prepared:
            response.headers["x-request-id"] = f"sim-{entry.number}"
        return response

    def _handed(self, picture: bytes, behaviour: Behaviour, number: int) -> dict[str, str]:
        if behaviour.by_link:
            self._linked[str(number)] = picture
            return {"url": f"/openai-results/{number}"}
        coded = base64.b64encode(picture).decode()
        return {"b64_json": coded[: len(coded) // 4 * 4 - 3] if behaviour.do == "truncated" else coded}


async def _form(request: web.Request) -> tuple[list[tuple[str, bytes]], dict[str, str]]:
    """Files and texts by name."""
    files: list[tuple[str, bytes]] = []
    texts: dict[str, str] = {}
    for name, each in (await request.post()).items():
        if isinstance(each, web.FileField):
            with each.file as file:
                files.append((name, file.read()))
        else:
            texts[name] = str(each)
    return files, texts


async def _picture(photo: bytes, behaviour: Behaviour, size: str) -> bytes | None:
    if behaviour.do in ("no_image", "text_only"):
        return None
    return await asyncio.to_thread(answer_picture, "openai", photo, behaviour, _shape(size))


def _keyless(request: web.Request) -> web.Response | None:
    if request.headers.get("Authorization", "").startswith("Bearer "):
        return None
    return _error(401, "invalid_api_key", "You didn't provide an API key.")


def _shape(size: str) -> str:
    if size == "auto":
        return "1:1"
    across, down = (int(part) for part in size.split("x"))
    shared = gcd(across, down)
    return f"{across // shared}:{down // shared}"


def _refused(request: web.Request, behaviour: Behaviour, prompt: str = "") -> web.Response | None:
    match behaviour.do:
        case "rate_limited":
            return _error(429, "rate_limit_exceeded", "Rate limit reached.", behaviour.retry_after_seconds)
        case "server_error":
            return _error(behaviour.status, "server_error", "The server had an error.", behaviour.retry_after_seconds)
        case "wrong_key":
            key = request.headers["Authorization"].removeprefix("Bearer ")
            return _error(401, "invalid_api_key", f"Incorrect API key provided: {key}")
        case "retired_model":
            return _error(404, "model_not_found", "The model does not exist or you do not have access to it.")
        case "echo":
            return _error(400, "invalid_prompt", f"Unsupported prompt: {prompt}")
        case "blocked":
            return _error(400, behaviour.reason or "moderation_blocked", "Your request was rejected.")
    return None


def _error(status: int, code: str, message: str, retry_after: float | None = None) -> web.Response:
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    return web.json_response({"error": {"code": code, "message": message}}, status=status, headers=headers)
