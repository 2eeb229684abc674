"""Brings each photo of a gallery into a folder once, whole: for print spoolers and screens that watch a folder."""

import asyncio
import math
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import NoReturn

import aiohttp
import msgspec
from msgspec import Struct

from photochanger.booth.door import FIRST_PAUSE, LONGEST_PAUSE, SUFFIXES, Later, Refused, check, reaching, stranger
from photochanger.booth.files import free_name, read_notes, reveal, settle, write_hidden, write_whole
from photochanger.core.clock import Clock

_OK = 200
_NOTES = ".photochanger-pull.json"
_WHOLE_SECONDS = 60
"""How often all pages are read: photos that were approved late, or shown again, appear among older ones."""


class _Item(Struct):
    job_id: str
    created_at: datetime


class _Page(Struct):
    items: list[_Item]
    next_page: int | None


class Gallery:
    def __init__(
        self, session: aiohttp.ClientSession, *, url: str, slot: str, key: str | None, pin: str | None
    ) -> None:
        self._session = session
        self._base = f"{url.rstrip('/')}/public"
        self._address = f"{self._base}/slots/{slot}"
        self._key = {"k": key} if key else {}
        self._pin = pin

    async def page(self, number: int) -> _Page:
        """Newest first. Raises `Later`, `Mistaken`."""
        body, _ = await self._get(self._address, page=str(number))
        try:
            return msgspec.json.decode(body, type=_Page)
        except msgspec.MsgspecError:
            raise stranger(_OK) from None

    async def photo(self, job_id: str) -> tuple[bytes, str]:
        """Its bytes, and the suffix that suits them. Raises also `Refused`, when it is gone."""
        body, media_type = await self._get(f"{self._base}/results/{job_id}")
        if media_type not in SUFFIXES:
            raise stranger(_OK)
        return body, SUFFIXES[media_type]

    async def _get(self, address: str, **query: str) -> tuple[bytes, str]:
        status, headers, body = await self._ask("GET", address, params=query | self._key)
        if status == 401 and self._pin:  # noqa: PLR2004 – the first time, or the cookie's time is over
            form = {"pin": self._pin}
            told, headers, said = await self._ask("POST", f"{self._address}/pin", data=form)
            if told != 303:  # noqa: PLR2004 – a right PIN sends on to the gallery
                check(told, headers, said)
            status, headers, body = await self._ask("GET", address, params=query | self._key)
        check(status, headers, body)
        return body, headers.get("Content-Type", "")

    async def _ask(
        self, method: str, address: str, *, params: dict[str, str] | None = None, data: dict[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        headers = {"Accept": "application/json, image/*"}
        with reaching():
            async with self._session.request(
                method, address, params=params, data=data, headers=headers, allow_redirects=False
            ) as answer:
                return answer.status, answer.headers, await answer.read()


class Pull:
    def __init__(
        self,
        gallery: Gallery,
        out: Path,
        *,
        clock: Clock,
        every: float,
        only_new: bool,
        echo: Callable[[str], object],
    ) -> None:
        self._gallery = gallery
        self._out = out
        self._clock = clock
        self._every = every
        self._echo = echo
        self._notes = out / _NOTES
        self._passes_over = only_new and not self._notes.exists()
        self._names = read_notes(self._notes, str)
        self._whole_at = -math.inf

    async def run(self) -> NoReturn:
        """Until it is stopped. Raises `Mistaken`."""
        settle(self._out, self._names.values())
        trouble, pause = "", FIRST_PAUSE
        while True:
            wait = self._every
            try:
                await self._round()
                trouble, pause = "", FIRST_PAUSE
            except Later as later:
                if trouble != str(later):
                    self._echo(f"{later}; it is tried again")
                trouble, wait, pause = str(later), max(pause, later.wait_seconds), min(2 * pause, LONGEST_PAUSE)
            await asyncio.sleep(wait)

    async def _round(self) -> None:
        items = await self._new_items()
        if self._passes_over:
            self._names = {item.job_id: "" for item in items}
            self._passes_over = False
            self._echo(f"{len(items)} photos are there already and are left.")
            self._save()
            return
        for item in sorted(items, key=lambda item: (item.created_at, item.job_id)):
            try:
                photo, suffix = await self._gallery.photo(item.job_id)
            except Refused:  # hidden or over since the page was read
                continue
            self._keep(item, photo, suffix)

    async def _new_items(self) -> list[_Item]:
        """Of the first pages up to one that brings nothing new, and of all pages now and then."""
        now = self._clock.monotonic()
        is_whole = now - self._whole_at >= _WHOLE_SECONDS
        new: dict[str, _Item] = {}
        number: int | None = 1
        while number is not None:
            page = await self._gallery.page(number)
            fresh = {item.job_id: item for item in page.items if item.job_id not in self._names}
            new |= fresh
            number = page.next_page if fresh or is_whole else None
        if is_whole:
            self._whole_at = now
        return list(new.values())

    def _keep(self, item: _Item, photo: bytes, suffix: str) -> None:
        """Noted between hiding and revealing: a cut at any point leaves neither no photo nor two."""
        name = free_name(self._out, f"{item.created_at:%Y%m%d-%H%M%S}-{item.job_id[-8:]}{suffix}")
        write_hidden(self._out / name, photo)
        self._names[item.job_id] = name
        self._save()
        reveal(self._out / name)
        self._echo(name)

    def _save(self) -> None:
        write_whole(self._notes, msgspec.json.encode(self._names))
