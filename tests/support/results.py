"""A photo that was sent and answered, with what its sender knows of it."""

from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import httpx

from photochanger.adapters.storage.store import ObjectStore
from tests.support.pictures import jpeg
from tests.support.product import Product

VARIANTS = ("", "/thumb", "/screen")


class Sent(NamedTuple):
    job_id: str
    token: str
    bytes: bytes

    @property
    def path(self) -> str:
        """Without the token: what somebody has who only knows the id."""
        return f"/public/results/{self.job_id}"

    @property
    def own_path(self) -> str:
        """The guest's own link."""
        return f"{self.path}?t={self.token}"


async def send(product: Product, seed: int = 1, **options: Any) -> Sent:
    """Small pictures differ by `seed`; `options` are those of `Product.send`."""
    answer = await product.send(jpeg(64, 48, seed=seed), **options)
    assert answer.status_code == 200, answer.text
    link = urlsplit(answer.headers["x-result-url"])
    return Sent(answer.headers["x-job-id"], parse_qs(link.query)["t"][0], answer.content)


def code_of(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a problem."""
    return answer.status_code, answer.json()["code"]


class CountingStore:
    """A store that remembers which deletes it was asked for; all else goes to `inner`."""

    def __init__(self, inner: ObjectStore) -> None:
        self._inner = inner
        self.deleted: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def delete(self, key: str) -> None:
        self.deleted.append(key)
        await self._inner.delete(key)
