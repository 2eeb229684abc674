"""Builds multipart/form-data as senders write it, or as they should not: headers go out as they are given."""

from collections.abc import Iterable
from typing import NamedTuple

BOUNDARY = "BB"


class Part(NamedTuple):
    headers: tuple[str | bytes, ...]
    body: bytes


def text(name: str, value: str | bytes) -> Part:
    body = value if isinstance(value, bytes) else value.encode()
    return Part((f'Content-Disposition: form-data; name="{name}"',), body)


def file(
    data: bytes, name: str = "fileToUpload", filename: str = "IMG_0003.JPG", content_type: str = "image/jpeg"
) -> Part:
    disposition = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"'
    return Part((disposition, f"Content-Type: {content_type}"), data)


def encode(parts: Iterable[Part], boundary: str = BOUNDARY) -> tuple[str, bytes]:
    """(Content-Type, body)."""
    frame = boundary.encode()
    body = bytearray()
    for part in parts:
        body += b"--" + frame + b"\r\n"
        for header in part.headers:
            body += (header if isinstance(header, bytes) else header.encode()) + b"\r\n"
        body += b"\r\n" + part.body + b"\r\n"
    body += b"--" + frame + b"--\r\n"
    return f"multipart/form-data; boundary={boundary}", bytes(body)
