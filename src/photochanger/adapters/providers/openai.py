"""OpenAI's image edits, and whoever speaks like them: gateways and self-hosted models behind OPENAI_BASE_URL."""

from collections.abc import Collection
from types import MappingProxyType
from typing import Annotated, Any, Literal, cast

import aiohttp
import msgspec
from msgspec import Meta, Struct

from photochanger.adapters.providers.driver import (
    BadConfiguration,
    Capabilities,
    NoImage,
    Picture,
    ProviderError,
    ProviderImage,
    Rejected,
    TransformRequest,
)
from photochanger.adapters.providers.http import Answer, VendorHttp
from photochanger.adapters.providers.pictures import download, joined, nearest, picture_in
from photochanger.adapters.providers.vendor import OK, PROBE_SECONDS, Vendor, member, refusal, text_at

BASE_URL = "https://api.openai.com/v1"
MODEL = "gpt-image-1"
_IMAGES = 16
_SIZES = ("1024x1024", "1536x1024", "1024x1536")
_REFUSED = {"moderation_blocked", "content_policy_violation"}
_NO_CREDIT = "insufficient_quota"
"""Comes as 429, but no wait mends it."""
_BAD_REQUEST = 400
_LINK_EVERY_SECONDS = 1.0


class OpenAIEdit(Struct, frozen=True, kw_only=True):
    size: Annotated[str, Meta(pattern=r"^(auto|[1-9][0-9]{1,4}x[1-9][0-9]{1,4})$")] | None = None
    """Null: the nearest of the vendor's own three to the photo's shape."""
    quality: Literal["auto", "low", "medium", "high"] | None = None
    background: Literal["auto", "opaque", "transparent"] | None = None
    output_format: Literal["png", "jpeg", "webp"] | None = None


class OpenAI:
    name = "openai"
    capabilities = Capabilities(
        operations=MappingProxyType({"edit": OpenAIEdit}),
        is_local=False,
        reference_roles=("reference", "style", "background", "mask"),
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
        form = _form(request, cast("OpenAIEdit", request.settings), model)
        answer = await self._ask("POST", "images/edits", request.deadline, form, request.confidential)
        document = answer.document()
        picture = await self._picture(document, request.deadline)
        return ProviderImage(
            data=picture.data,
            media_type=picture.media_type,
            model=model,
            vendor_request_id=answer.headers.get("x-request-id"),
            usage=member(document, "usage"),
        )

    async def _picture(self, document: dict[str, Any], deadline: float) -> Picture:
        """Within the answer, or behind the link that some of those who speak like OpenAI give instead."""
        images = member(document, "data")
        first = images[0] if isinstance(images, list) and images else None
        coded, link = member(first, "b64_json"), text_at(first, "url")
        if coded is not None:
            return picture_in(coded)
        if not link:
            raise NoImage("an answer without an image")
        address = joined(self._vendor.base, link)
        async with self._http.until(deadline):
            try:
                return await download(
                    self._http, address, own_hosts=self._vendor.hosts, deadline=deadline, every=_LINK_EVERY_SECONDS
                )
            except ProviderError as failure:
                failure.cost_micros = None  # it was made
                raise

    async def probe(self) -> None:
        await self._ask("GET", "models", self._http.after(PROBE_SECONDS))

    async def _ask(
        self,
        method: str,
        path: str,
        deadline: float,
        form: aiohttp.FormData | None = None,
        confidential: Collection[str] = (),
    ) -> Answer:
        key = self._vendor.needed_key()
        answer = await self._http.ask(
            method,
            self._vendor.base / path,
            own_hosts=self._vendor.hosts,
            deadline=deadline,
            headers={"Authorization": f"Bearer {key}"},
            body=form,
        )
        if answer.status != OK:
            raise _refusal(answer, key, *confidential)
        return answer

    async def close(self) -> None:
        """Of all drivers that share the connections: they end together."""
        await self._http.close()


def _form(request: TransformRequest, settings: OpenAIEdit, model: str) -> aiohttp.FormData:
    images = [request.photo, *(each.picture for each in request.references if each.role != "mask")]
    masks = [each.picture for each in request.references if each.role == "mask"]
    if len(images) > _IMAGES:
        raise BadConfiguration(f"at most {_IMAGES} images fit into one request")
    form = aiohttp.FormData(default_to_multipart=True)
    for name, pictures in (("image[]", images), ("mask", masks)):
        for each in pictures:
            kind = each.media_type.removeprefix("image/")
            form.add_field(name, each.data, filename=f"{name.strip('[]')}.{kind}", content_type=each.media_type)
    fields = {
        "prompt": request.prompt,
        "model": model,
        "size": settings.size or nearest(_SIZES, request.width, request.height),
        "quality": settings.quality,
        "background": settings.background,
        "output_format": settings.output_format,
    }
    for name, value in fields.items():
        if value is not None:
            form.add_field(name, value)
    return form


def _refusal(answer: Answer, *secrets: str) -> ProviderError:
    try:
        error: Any = member(msgspec.json.decode(answer.body), "error")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        error = None
    code = text_at(error, "code")
    if answer.status == _BAD_REQUEST and code in _REFUSED:
        return Rejected(f"it refused the content: {code}")
    if code == _NO_CREDIT:
        return BadConfiguration("the account has no credit left")
    return refusal(answer, text_at(error, "message"), *secrets)
