"""Google's Gemini over its REST interface. Facts: ai.google.dev, and months of somebody's production logs."""

import re
from base64 import b64encode
from collections.abc import Collection, Iterator
from types import MappingProxyType
from typing import Any, Literal, cast, get_args

import msgspec
from msgspec import Struct

from photochanger.adapters.providers.driver import (
    BadConfiguration,
    Capabilities,
    NoImage,
    Picture,
    ProviderError,
    ProviderImage,
    RateLimited,
    Rejected,
    TransformRequest,
    Unavailable,
)
from photochanger.adapters.providers.http import Answer, VendorHttp
from photochanger.adapters.providers.pictures import nearest, picture_in
from photochanger.adapters.providers.vendor import OK, PROBE_SECONDS, Vendor, member, refusal, text_at

BASE_URL = "https://generativelanguage.googleapis.com"
MODEL = "gemini-nano-banana-2.1"
_REQUEST_BYTES = 20_000_000
_DEFAULT_SIZE = "1K"
_REFUSED = ("SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "RECITATION")
"""Reasons end so, or with more behind it, with and without `IMAGE_`; new ones appear every few months."""
_CATEGORIES = ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT")

Ratio = Literal["1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"]


class GeminiEdit(Struct, frozen=True, kw_only=True):
    aspect_ratio: Ratio | None = None
    """Null: the nearest to the photo's."""
    image_size: Literal["1K", "2K", "4K"] | None = None
    """Null: the model's own, 1K; some models refuse to be told."""
    safety_threshold: (
        Literal["BLOCK_NONE", "BLOCK_ONLY_HIGH", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_LOW_AND_ABOVE"] | None
    ) = None


class Gemini:
    name = "gemini"
    capabilities = Capabilities(
        operations=MappingProxyType({"edit": GeminiEdit}),
        is_local=False,
        reference_roles=("reference", "style", "background"),
    )

    def __init__(self, http: VendorHttp, vendor: Vendor, model: str) -> None:
        self._http = http
        self._vendor = vendor
        self.model = model

    @property
    def is_configured(self) -> bool:
        return self._vendor.key() is not None

    async def transform(self, request: TransformRequest) -> ProviderImage:
        model = request.model or self.model
        settings = cast("GeminiEdit", request.settings)
        body = msgspec.json.encode(_question(request, settings))
        if len(body) > _REQUEST_BYTES:
            raise BadConfiguration("photo and template images together are over the 20 MB that Gemini takes")
        answer = await self._ask("POST", f"{model}:generateContent", request.deadline, body, request.confidential)
        document = answer.document()
        picture = _picture(document)
        usage = member(document, "usageMetadata")
        return ProviderImage(
            data=picture.data,
            media_type=picture.media_type,
            model=model,
            vendor_request_id=text_at(document, "responseId") or None,
            usage={**(usage if isinstance(usage, dict) else {}), "image_size": settings.image_size or _DEFAULT_SIZE},
        )

    async def probe(self) -> None:
        await self._ask("GET", self.model, self._http.after(PROBE_SECONDS))

    async def _ask(
        self, method: str, path: str, deadline: float, body: bytes | None = None, confidential: Collection[str] = ()
    ) -> Answer:
        key = self._vendor.needed_key()
        answer = await self._http.ask(
            method,
            self._vendor.base / "v1beta/models" / path,
            own_hosts=self._vendor.hosts,
            deadline=deadline,
            headers={"x-goog-api-key": key, "Content-Type": "application/json"},
            body=body,
        )
        if answer.status != OK:
            raise _refusal(answer, key, *confidential)
        return answer

    async def close(self) -> None:
        """Of all drivers that share the connections: they end together."""
        await self._http.close()


def _question(request: TransformRequest, settings: GeminiEdit) -> dict[str, Any]:
    pictures = [request.photo, *(reference.picture for reference in request.references)]
    parts: list[dict[str, Any]] = [
        {"inline_data": {"mime_type": each.media_type, "data": b64encode(each.data).decode()}} for each in pictures
    ]
    if request.prompt:
        parts.append({"text": request.prompt})
    ratio = settings.aspect_ratio or nearest(get_args(Ratio), request.width, request.height)
    image = {"aspectRatio": ratio, **({"imageSize": settings.image_size} if settings.image_size else {})}
    question: dict[str, Any] = {
        "contents": [{"role": "user", "parts": parts}],
        "generationConfig": {"responseModalities": ["IMAGE"], "imageConfig": image},
    }
    if settings.safety_threshold:
        question["safetySettings"] = [
            {"category": f"HARM_CATEGORY_{name}", "threshold": settings.safety_threshold} for name in _CATEGORIES
        ]
    return question


def _picture(document: dict[str, Any]) -> Picture:
    """The last image that is no thought; `content` and `parts` may be missing. NoImage is a normal answer."""
    reasons = [text_at(candidate, "finishReason") for candidate in _objects(document, "candidates")]
    images = [
        member(part, "inlineData", "data")
        for candidate in _objects(document, "candidates")
        for part in _objects(candidate, "content", "parts")
        if part.get("thought") is not True and member(part, "inlineData") is not None
    ]
    if images:
        return picture_in(images[-1])
    blocked = text_at(document, "promptFeedback", "blockReason")
    refused = [reason for reason in reasons if any(word in reason for word in _REFUSED)]
    if blocked or refused:
        raise Rejected(f"it refused the content: {_word(blocked or refused[0])}")
    raise NoImage(f"an answer without an image: {_word(''.join(reasons[:1])) or 'no reason given'}")


def _objects(document: Any, *path: str) -> Iterator[dict[str, Any]]:
    found = member(document, *path)
    yield from (each for each in found if isinstance(each, dict)) if isinstance(found, list) else ()


def _refusal(answer: Answer, *secrets: str) -> ProviderError:
    try:
        document: Any = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        document = None
    error = member(document, "error")
    says = " ".join(filter(None, (text_at(error, "status"), text_at(error, "message"))))
    reason = refusal(answer, says, *secrets)
    if isinstance(reason, RateLimited | Unavailable):
        reason.retry_after = _retry_delay(error) or reason.retry_after
    return reason


def _retry_delay(error: Any) -> float | None:
    """RetryInfo says `17s` or `0.5s`."""
    for detail in _objects(error, "details"):
        found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,9})?)s", text_at(detail, "retryDelay"))
        if found:
            return float(found[1])
    return None


def _word(reason: str) -> str:
    return re.sub(r"\W", "", reason)[:40]
