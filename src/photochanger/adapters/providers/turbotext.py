"""Turbotext's photo API: a queue that is asked until the picture is there. It takes links, not bytes.

Which field takes what is the table OPERATIONS; the code knows no method by name.
"""

import asyncio
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import msgspec
from msgspec import Meta, Struct

from photochanger.adapters.providers.driver import (
    BadAnswer,
    BadConfiguration,
    Capabilities,
    NoImage,
    Picture,
    ProviderError,
    ProviderImage,
    Rejected,
    TransformRequest,
)
from photochanger.adapters.providers.http import VendorHttp
from photochanger.adapters.providers.pictures import download, joined
from photochanger.adapters.providers.poll import poll
from photochanger.adapters.providers.vendor import OK, PROBE_SECONDS, Vendor, member, quoted, refusal, text_at

BASE_URL = "https://www.turbotext.ru/api_ai"
OWN_HOSTS = ("turbotext.ru",)
_EVERY_SECONDS = 1.5
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Image2Image(Struct, frozen=True, kw_only=True):
    strength: Annotated[int, Meta(ge=0, le=80)] = 40
    scale: Annotated[float, Meta(ge=0.1, le=20)] = 7.5
    seed: Annotated[int, Meta(ge=0, le=2**32 - 1)] | None = None
    negative_prompt: Annotated[str, Meta(max_length=1000)] | None = None
    original_language: Annotated[str, Meta(pattern=r"^[a-z]{2}$")] = "ru"
    """The prompt's."""


class MixImages(Struct, frozen=True, kw_only=True):
    pass


class DeepfakePhoto(Struct, frozen=True, kw_only=True):
    photo_as: Literal["person", "face"] = "person"
    """What the guest's photo is; the slot's template image is the other one."""
    face_restore: bool | None = None


class Fields(Struct, frozen=True):
    """Which parameter takes what. `pictures` are by role; the photo's own role is `photo`, or what `photo_as` says."""

    settings: type[Struct]
    pictures: Mapping[str, str]
    prompt: str | None = "content"
    sent: tuple[str, ...] = ()
    """The settings that are sent, under their own names."""


OPERATIONS: Mapping[str, Fields] = MappingProxyType(
    {
        "generate_image2image": Fields(
            Image2Image,
            {"photo": "url"},
            sent=("strength", "scale", "seed", "negative_prompt", "original_language"),
        ),
        "mix_images": Fields(MixImages, {"photo": "url_image_target", "style": "url"}),
        "deepfake_photo": Fields(
            DeepfakePhoto, {"person": "url", "face": "url_image_target"}, prompt=None, sent=("face_restore",)
        ),
    }
)
_RESULTS = (("uploaded_image",), ("data", "uploaded_image"), ("data", "image"))
"""Where the picture's link may be, in this order; the last one is a list."""


class Turbotext:
    name = "turbotext"
    capabilities = Capabilities(
        operations=MappingProxyType({name: fields.settings for name, fields in OPERATIONS.items()}),
        is_local=False,
        needs_public_url=True,
        reference_roles=("style", "face", "person"),
    )
    model = None

    def __init__(self, http: VendorHttp, vendor: Vendor, *, every_seconds: float = _EVERY_SECONDS) -> None:
        self._http = http
        self._vendor = vendor
        self._every = every_seconds

    @property
    def is_configured(self) -> bool:
        return self._vendor.key() is not None

    async def transform(self, request: TransformRequest) -> ProviderImage:
        async with self._http.until(request.deadline):
            parameters = await _parameters(request)
            queued = await self._ask(request.operation, {"do": "create_queue", **parameters}, request)
            number = queued.get("queueid")
            if queued.get("success") is not True or not isinstance(number, int | str):
                raise _unsuccessful(queued, request, cost_micros=0)
            try:
                picture = await self._result(request, str(number))
            except ProviderError as failure:
                if not isinstance(failure, Rejected | NoImage):
                    failure.cost_micros = None  # it stands in the vendor's queue
                raise
        return ProviderImage(
            data=picture.data,
            media_type=picture.media_type,
            vendor_request_id=str(number),
        )

    async def _result(self, request: TransformRequest, number: str) -> Picture:
        async def ask() -> dict[str, Any] | None:
            answer = await self._ask(request.operation, {"do": "get_result", "queueid": number}, request)
            return None if answer.get("action") == "reconnect" else answer

        await asyncio.sleep(self._every)
        answer = await poll(ask, self._every)
        if member(answer, "data", "forbidden_content") is True:
            raise Rejected("it refused the content: forbidden_content")
        if answer.get("success") is not True:
            raise _unsuccessful(answer, request, cost_micros=None)
        link = _link(answer)
        if link is None:
            raise NoImage("an answer without an image")
        address = joined(self._vendor.base.origin() / "", link)
        return await download(
            self._http, address, own_hosts=self._vendor.hosts, deadline=request.deadline, every=self._every
        )

    async def probe(self) -> None:
        answer = await self._post("available_api", {}, self._http.after(PROBE_SECONDS))
        if answer.get("success") is False:
            raise BadConfiguration("it says that nothing is available for this key")

    async def _ask(self, method: str, parameters: Mapping[str, str], request: TransformRequest) -> dict[str, Any]:
        return await self._post(method, parameters, request.deadline, request.confidential)

    async def _post(
        self, method: str, parameters: Mapping[str, str], deadline: float, confidential: Collection[str] = ()
    ) -> dict[str, Any]:
        key = self._vendor.needed_key()
        answer = await self._http.ask(
            "POST",
            self._vendor.base / method,
            own_hosts=self._vendor.hosts,
            deadline=deadline,
            headers={**_FORM, "Authorization": f"Bearer {key}"},
            body=urlencode(parameters).encode(),
        )
        if answer.status != OK:
            raise refusal(answer, "", key, *confidential)
        return answer.document()

    async def close(self) -> None:
        """Of all drivers that share the connections: they end together."""
        await self._http.close()


async def _parameters(request: TransformRequest) -> dict[str, str]:
    """Puts every picture under a link of its own. BadConfiguration where a picture or the public address is missing."""
    fields = OPERATIONS[request.operation]
    settings = msgspec.to_builtins(request.settings)
    photo_role = settings.get("photo_as", "photo")
    pictures = {reference.role: reference.picture.data for reference in request.references}
    pictures[photo_role] = request.photo.data
    if request.publish is None:
        raise BadConfiguration("it fetches photos from a link: set PUBLIC_BASE_URL to an address it can reach")
    parameters = {name: _spelled(settings[name]) for name in fields.sent if settings[name] is not None}
    for role, field in fields.pictures.items():
        if role not in pictures:
            raise BadConfiguration(f"{request.operation} needs a template image with the role {role}")
        parameters[field] = await request.publish(pictures[role])
    if fields.prompt:
        parameters[fields.prompt] = request.prompt
    return parameters


def _spelled(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def _link(answer: dict[str, Any]) -> str | None:
    for path in _RESULTS:
        found = member(answer, *path)
        if isinstance(found, list) and found:
            found = found[0]
        if isinstance(found, str) and found:
            return found
    return None


def _unsuccessful(answer: dict[str, Any], request: TransformRequest, *, cost_micros: int | None) -> BadAnswer:
    says = next(filter(None, (text_at(answer, name) for name in ("error", "message", "text"))), "")
    failure = BadAnswer(
        f"it gave up: {quoted(says, *request.confidential)}" if says else "it gave up and did not say why"
    )
    failure.cost_micros = cost_micros
    return failure
