"""The request of a booth (DSLR Remote Pro 3.30.2) as it was captured: header names, order of parts, boundary, values.

The capture hides the middle of two Windows paths, so Content-Length is counted and not copied.
"""

from typing import NamedTuple

from tests.support.multipart import encode, file, text

BOUNDARY = "------------090306000104030805010400"
PASSWORD = "123456"
TEXTS = {
    "time": "1758217512",
    "user_id": "Acer",
    "id": "CY04N068111304S2L_00000001.",
    "profile": r"C:\Users\Acer\Documents\setup.xml",
    "status": r"C:\Users\Acer\Documents\preview.jpg",
    "hash": "7b6c683e1d3fd29c8701791c54e3c12a236f5a5b",
    "name": "DESKTOP-K968T3F",
    "model": "Windows",
    "version": "3.30.2",
}
PRIVATE_TEXTS = frozenset(TEXTS[name] for name in ("user_id", "profile", "status", "name"))
"""PC and person names: what no log may hold."""


class BoothRequest(NamedTuple):
    head: bytes
    """Request line and headers, with the empty line; the booth then waits for `100 Continue`."""
    body: bytes
    content_type: str


def booth_request(
    photo: bytes, *, slot_id: str = "slot-001", host: str = "127.0.0.1:8000", password: str = PASSWORD
) -> BoothRequest:
    texts = [text(name, value) for name, value in (TEXTS | {"password": password}).items()]
    content_type, body = encode([*texts, file(photo)], BOUNDARY)
    head = (
        f"POST /api/ingest/{slot_id}?session=42 HTTP/1.1\r\n"
        f"host: {host}\r\n"
        f"content-type: {content_type}\r\n"
        f"content-length: {len(body)}\r\n"
        "expect: 100-continue\r\n"
        "\r\n"
    )
    return BoothRequest(head.encode(), body, content_type)
