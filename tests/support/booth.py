"""A booth's request as it was captured (`photochanger.booth.capture`), to a server of a test."""

from typing import NamedTuple

from photochanger.booth import capture

PASSWORD = "123456"
TEXTS = dict(capture.TEXTS)
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
    texts = {**TEXTS, "password": password}
    path = f"/api/ingest/{slot_id}?session=42"
    head, body = capture.booth_request(photo, path=path, host=host, texts=texts)
    return BoothRequest(head, body, f"multipart/form-data; boundary={capture.BOUNDARY}")
