"""A vendor's picture, however it comes: fetched from its link or unpacked from its JSON, and told by its content.

Also what a vendor is asked for: the nearest shape it knows.
"""

import binascii
import math
from collections.abc import Collection, Iterable

from yarl import URL

from photochanger.adapters.imaging.sniff import HEAD_BYTES, sniff
from photochanger.adapters.providers.driver import BadAnswer, BadConfiguration, Picture, Unavailable
from photochanger.adapters.providers.http import Answer, VendorHttp
from photochanger.adapters.providers.poll import poll

_REDIRECTS = 3
_MOVED = {301, 302, 303, 307, 308}
_OK = 200
_SERVER_FAULT = 500


def picture_of(data: bytes) -> Picture:
    """BadAnswer for anything but JPEG, PNG, WebP and HEIC, whatever it is called."""
    media_type = sniff(data[:HEAD_BYTES])
    if media_type is None:
        raise BadAnswer("the answer is not an image")
    return Picture(data, media_type)


def picture_in(text: object) -> Picture:
    """From base64. BadAnswer where it is cut or holds no image."""
    if not isinstance(text, str):
        raise BadAnswer("the answer's image is no text")
    try:
        return picture_of(binascii.a2b_base64(text.encode("ascii"), strict_mode=True))
    except (UnicodeEncodeError, binascii.Error):
        raise BadAnswer("the answer's image is cut, or no base64") from None


async def download(http: VendorHttp, url: URL, *, own_hosts: Collection[str], deadline: float, every: float) -> Picture:
    """What lies behind a vendor's link; a fault is asked again. Every redirect is checked like the first address."""

    async def ask() -> Answer:
        try:
            answer = await http.ask("GET", url, own_hosts=own_hosts, deadline=deadline)
        except BadConfiguration as reason:  # the vendor's doing, not the operator's
            raise BadAnswer(f"the result's link: {reason}") from None
        if answer.status >= _SERVER_FAULT:
            raise Unavailable(f"the result's link answers {answer.status}")
        return answer

    for _ in range(_REDIRECTS + 1):
        answer = await poll(ask, every)
        if answer.status == _OK:
            return picture_of(answer.body)
        if answer.status not in _MOVED:
            raise BadAnswer(f"the result's link answers {answer.status}")
        url = joined(url, answer.headers.get("Location", ""))
    raise BadAnswer("the result's link leads in circles")


def joined(base: URL, link: object) -> URL:
    """BadAnswer where `link` is no address."""
    try:
        return base.join(URL(str(link)))
    except ValueError:
        raise BadAnswer("the result's link is no address") from None


def nearest(shapes: Iterable[str], width: int, height: int) -> str:
    """Of shapes like `3:2` or `1536x1024` the one that a picture of this size loses least in."""

    def distance(shape: str) -> float:
        across, down = (int(part) for part in shape.replace("x", ":").split(":"))
        return abs(math.log(across / down * height / width))

    return min(shapes, key=distance)
