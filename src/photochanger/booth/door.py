"""One photo to one slot, once: what came back, or why nothing did and whether it is worth another try."""

import hashlib
import io
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

import aiohttp
import msgspec
from msgspec import Struct

SUFFIXES = {"image/jpeg": ".jpg", "image/png": ".png"}
"""What results are, by their media type."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0
"""Seconds between tries, doubled each time."""

_TIMEOUT = aiohttp.ClientTimeout(total=150, sock_connect=10)
"""The longest window is 60 seconds; the rest is for a slow line, both ways."""
_OK = 200
_REDIRECTS = range(300, 400)
_PASSING = frozenset({408, 429, 503})
_CONCERNS_ALL = frozenset({"invalid-host", "slot-disabled", "slot-not-found", "gallery-not-found", "pin-required"})


class Delivered(Struct, frozen=True, kw_only=True):
    photo: bytes
    suffix: str
    outcome: str
    job_id: str
    link: str


class Refused(Exception):  # noqa: N818 – outcomes are named for the fact
    """The photo would get the same answer again, or one that has to be paid again."""


class Later(Exception):  # noqa: N818
    """Another try may go well, and cannot cost a second time."""

    def __init__(self, reason: str, wait_seconds: float = 0) -> None:
        super().__init__(reason)
        self.wait_seconds = wait_seconds


class Mistaken(Exception):  # noqa: N818
    """Nothing gets through with this address, slot or password."""


class _Said(Struct):
    code: str
    detail: str = ""


class Door:
    def __init__(self, session: aiohttp.ClientSession, *, url: str, slot: str, password: str) -> None:
        self._session = session
        self._address = f"{url.rstrip('/')}/api/ingest/{slot}"
        self._slot = slot
        self._password = password

    async def send(self, photo: bytes, *, key: str) -> Delivered:
        """Raises `Refused`, `Later` or `Mistaken`. With the same `key`, a repeat joins what the first try began."""
        form = aiohttp.FormData({"password": self._password})
        form.add_field("fileToUpload", io.BytesIO(photo), filename="photo", content_type="application/octet-stream")
        headers = {"Accept": "image/*", "Idempotency-Key": key}
        with reaching():
            async with self._session.post(self._address, data=form, headers=headers, allow_redirects=False) as answer:
                body = await answer.read()
        if answer.status == 401:  # noqa: PLR2004
            raise Mistaken(f"The password of {self._slot} is wrong.")
        check(answer.status, answer.headers, body)
        suffix = SUFFIXES.get(answer.content_type)
        if suffix is None or "X-Job-Id" not in answer.headers:
            raise stranger(answer.status)
        return Delivered(
            photo=body,
            suffix=suffix,
            outcome=answer.headers["X-Outcome"],
            job_id=answer.headers["X-Job-Id"],
            link=answer.headers["X-Result-Url"],
        )


@asynccontextmanager
async def visiting() -> AsyncIterator[aiohttp.ClientSession]:
    """Keeps cookies of servers without a name, too."""
    async with aiohttp.ClientSession(timeout=_TIMEOUT, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield session


@contextmanager
def reaching() -> Iterator[None]:
    """What goes wrong on the way to the server, in words."""
    try:
        yield
    except aiohttp.ClientConnectorError as error:
        raise Later(f"{error.host}:{error.port} cannot be reached") from None
    except TimeoutError:
        raise Later("no answer in time") from None
    except (aiohttp.ClientError, OSError):
        raise Later("the connection broke") from None


def check(status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Raises unless the answer is 200."""
    if status == _OK:
        return
    if status in _REDIRECTS:
        raise Mistaken(f"The server sends on to {headers.get('Location')}: use that address.")
    try:
        said = msgspec.json.decode(body, type=_Said)
    except msgspec.MsgspecError:
        raise stranger(status) from None
    if said.code in _CONCERNS_ALL:
        raise Mistaken(f"{said.code}: {said.detail}")
    if status in _PASSING:
        wait = headers.get("Retry-After", "")
        raise Later(f"{status} {said.code}: {said.detail}", float(wait) if wait.isdecimal() else 0)
    raise Refused(f"{status} {said.code}: {said.detail}")


def key_of(photo: bytes) -> str:
    """The `Idempotency-Key` of a photo: the same bytes, the same key, also after a restart."""
    return hashlib.sha256(photo).hexdigest()


def stranger(status: int) -> Later:
    """A proxy whose server is away, a hotel's sign-in page: the product itself always says what is wrong."""
    return Later(f"something else than PhotoChanger answered ({status})")
