"""Gemini's generateContent and its model page, as its REST reference and months of its answers show them."""

import asyncio
import base64
import binascii
from typing import Any, NamedTuple

import msgspec
from aiohttp import web

from photochanger.vendors.book import Book, Entry, Received
from photochanger.vendors.misbehave import sent
from photochanger.vendors.pictures import NoPhoto, answer_picture
from photochanger.vendors.script import Actor, Behaviour

_PRICES = {"1K": 34_000, "4K": 240_000}
_REQUEST_BYTES = 20_000_000
_REASONS = {429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"}
_TOKENS = {"promptTokenCount": 270, "candidatesTokenCount": 1120, "totalTokenCount": 1390}


class _Question(NamedTuple):
    photos: list[bytes]
    prompt: str
    shape: str
    size: str


class GeminiVendor:
    def __init__(self, book: Book) -> None:
        self.actor = Actor()
        self._book = book

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1beta/models/{model:[^/:]+}:generateContent", self._generate),
            web.get("/v1beta/models/{model:[^/:]+}", self._model),
        ]

    async def _model(self, request: web.Request) -> web.StreamResponse:
        behaviour = self.actor.script.probe
        if refused := _keyless(request):
            return refused
        await asyncio.sleep(behaviour.delay_ms / 1000)
        if refused := _refused(request, behaviour):
            return refused
        document = {"name": f"models/{request.match_info['model']}", "supportedGenerationMethods": ["generateContent"]}
        return await sent(request, behaviour, msgspec.json.encode(document), "application/json")

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        behaviour = self.actor.next()
        body = await request.read()
        if refused := _keyless(request):
            return refused
        if len(body) > _REQUEST_BYTES:
            return _error(400, "INVALID_ARGUMENT", "Request payload size exceeds the limit: 20971520 bytes.")
        try:
            question = _read(body)
        except (msgspec.ValidationError, msgspec.DecodeError, LookupError, binascii.Error):
            return _error(400, "INVALID_ARGUMENT", "Invalid JSON payload received.")
        entry = self._note(request.match_info["model"], behaviour, question)
        await asyncio.sleep(behaviour.delay_ms / 1000)
        if refused := _refused(request, behaviour, question.prompt):
            return refused
        try:
            document = await _document(question, behaviour, entry)
        except NoPhoto:
            entry.price_micros = 0
            return _error(400, "INVALID_ARGUMENT", "Unable to process input image.")
        entry.is_handed_out = True
        return await sent(request, behaviour, msgspec.json.encode(document), "application/json")

    def _note(self, model: str, behaviour: Behaviour, question: _Question) -> Entry:
        price = self.actor.script.price_micros
        return self._book.open(
            "gemini",
            "generateContent",
            behaviour,
            pictures=[Received.of("inline_data", photo) for photo in question.photos],
            prompt=question.prompt,
            price_micros=_PRICES.get(question.size, 0) if price is None else price,
            model=model,
            options={"aspectRatio": question.shape, "imageSize": question.size},
        )


def _read(body: bytes) -> _Question:
    document: dict[str, Any] = msgspec.json.decode(body, type=dict)
    parts = document["contents"][0]["parts"]
    coded = [part["inline_data"]["data"] for part in parts if "inline_data" in part]
    asked = document.get("generationConfig", {}).get("imageConfig", {})
    return _Question(
        photos=[base64.b64decode(data, validate=True) for data in coded],
        prompt="".join(part.get("text", "") for part in parts),
        shape=asked.get("aspectRatio", "1:1"),
        size=asked.get("imageSize", "1K"),
    )


async def _document(question: _Question, behaviour: Behaviour, entry: Entry) -> dict[str, Any]:
    candidate: dict[str, Any] = {"index": 0, "finishReason": "STOP"}
    document: dict[str, Any] = {"candidates": [candidate], "usageMetadata": _TOKENS, "modelVersion": entry.model}
    document["responseId"] = f"sim-{entry.number}"
    match behaviour.do:
        case "blocked" if behaviour.reason is None:
            document["promptFeedback"] = {"blockReason": "PROHIBITED_CONTENT"}
            del document["candidates"]
        case "blocked":
            candidate["finishReason"] = behaviour.reason
        case "no_image":
            candidate["finishReason"] = behaviour.reason or "NO_IMAGE"
        case "text_only":
            candidate["content"] = {"role": "model", "parts": [{"text": "I can only describe this picture."}]}
        case _:
            candidate["content"] = {"role": "model", "parts": await _parts(question, behaviour)}
    return document


async def _parts(question: _Question, behaviour: Behaviour) -> list[dict[str, Any]]:
    if not question.photos:
        raise NoPhoto
    picture = await asyncio.to_thread(answer_picture, "gemini", question.photos[0], behaviour, question.shape)
    coded = base64.b64encode(picture).decode()
    if behaviour.do == "truncated":
        coded = coded[: len(coded) // 4 * 4 - 3]
    final = {"inlineData": {"mimeType": behaviour.content_type or f"image/{behaviour.format}", "data": coded}}
    if behaviour.do != "thoughts":
        return [final]
    draft = base64.b64encode(question.photos[0]).decode()
    return [
        {"text": "The light should be warmer.", "thought": True},
        {"inlineData": {"mimeType": "image/jpeg", "data": draft}},
        final,
        {"inlineData": {"mimeType": "image/jpeg", "data": draft}, "thought": True},
        {"text": "Here is your picture."},
    ]


def _keyless(request: web.Request) -> web.Response | None:
    if request.headers.get("x-goog-api-key"):
        return None
    return _error(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers.")


def _refused(request: web.Request, behaviour: Behaviour, prompt: str = "") -> web.Response | None:
    model = request.match_info["model"]
    match behaviour.do:
        case "rate_limited":
            return _error(429, _REASONS[429], "Resource has been exhausted.", behaviour.retry_after_seconds)
        case "server_error":
            status = behaviour.status
            reason = _REASONS.get(status, "UNKNOWN")
            return _error(status, reason, "The model is overloaded.", behaviour.retry_after_seconds)
        case "wrong_key":
            return _error(400, "INVALID_ARGUMENT", f"API key not valid: {request.headers['x-goog-api-key']}")
        case "echo":
            return _error(400, "INVALID_ARGUMENT", f"Unsupported words: {' '.join(prompt.split()[-3:])}")
        case "retired_model":
            return _error(404, "NOT_FOUND", f"models/{model} is not found for API version v1beta.")
    return None


def _error(code: int, status: str, message: str, retry_after: float | None = None) -> web.Response:
    error: dict[str, Any] = {"code": code, "message": message, "status": status}
    if retry_after is not None:
        error["details"] = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{retry_after:g}s"}]
    return web.json_response({"error": error}, status=code)
