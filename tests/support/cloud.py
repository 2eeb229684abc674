"""The cloud drivers as the product puts them together, on the vendors' stand-ins."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from msgspec import Struct

from photochanger.adapters.providers.driver import Driver, Picture, ProviderImage, Reference, TransformRequest
from photochanger.adapters.providers.gemini import Gemini, GeminiEdit
from photochanger.adapters.providers.http import VendorHttp
from photochanger.adapters.providers.openai import OpenAI, OpenAIEdit
from photochanger.adapters.providers.turbotext import OPERATIONS, Turbotext
from photochanger.adapters.providers.vendor import Vendor, base_address
from photochanger.core.clock import SystemClock
from tests.support import pictures
from tests.support.vendors import Vendors

NAMES = ("gemini", "openai", "turbotext")
KEY = "canary-key-0f3c9a"
PROMPT = "A hero called canary-prompt-77"
PHOTO = Picture(pictures.jpeg(600, 400), "image/jpeg")
FACE = Picture(pictures.jpeg(300, 300, seed=5), "image/jpeg")


class Cloud(NamedTuple):
    driver: Driver
    http: VendorHttp
    vendors: Vendors

    async def transform(self, *, seconds: float = 60, **changes: Any) -> ProviderImage:
        return await self.driver.transform(request(self, seconds=seconds, **changes))


def request(cloud: Cloud, *, seconds: float = 60, **changes: Any) -> TransformRequest:
    operation = "generate_image2image" if cloud.driver.name == "turbotext" else "edit"
    given: dict[str, Any] = {
        "photo": PHOTO,
        "operation": operation,
        "settings": default_settings(changes.get("operation", operation), cloud.driver.name),
        "deadline": cloud.http.after(seconds),
        "width": 600,
        "height": 400,
        "prompt": PROMPT,
        "publish": cloud.vendors.publish,
    }
    return TransformRequest(**{**given, **changes})


def default_settings(operation: str, name: str) -> Struct:
    if name == "turbotext":
        return OPERATIONS[operation].settings()
    return GeminiEdit() if name == "gemini" else OpenAIEdit()


def reference(role: str, picture: Picture = FACE) -> Reference:
    return Reference(role, picture)


@asynccontextmanager
async def cloud_driver(
    name: str,
    vendors: Vendors,
    *,
    key: str | None = KEY,
    base: str | None = None,
    allowed: tuple[str, ...] = ("127.0.0.1",),
) -> AsyncIterator[Cloud]:
    http = VendorHttp(SystemClock(), allowed)
    driver = _driver(name, http, base or vendors.url, key)
    yield Cloud(driver, http, vendors)
    await driver.close()


def _driver(name: str, http: VendorHttp, base: str, key: str | None) -> Driver:
    if name == "gemini":
        return Gemini(http, Vendor(base_address(base), lambda: key), "model-1")
    if name == "openai":
        return OpenAI(http, Vendor(base_address(base, suffix="/v1"), lambda: key), "model-1")
    return Turbotext(http, Vendor(base_address(base, suffix="/api_ai"), lambda: key), every_seconds=0.02)
