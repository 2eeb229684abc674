"""The request of DSLR Remote Pro 3.30.2 as it was captured: names and order of headers and parts, and their values.

The capture hides the middle of two Windows paths, so Content-Length is counted and not copied.
"""

from collections.abc import Mapping
from types import MappingProxyType

BOUNDARY = "------------090306000104030805010400"
TEXTS: Mapping[str, str] = MappingProxyType(
    {
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
)
"""What comes before the password and the file."""


def booth_request(
    photo: bytes,
    *,
    path: str,
    host: str,
    texts: Mapping[str, str],
    filename: str = "IMG_0003.JPG",
    media_type: str = "image/jpeg",
) -> tuple[bytes, bytes]:
    """Head and body. The booth sends the body after `100 Continue`. It says neither User-Agent nor Accept."""
    parts = [f'name="{name}"\r\n\r\n{value}'.encode() for name, value in texts.items()]
    parts.append(f'name="fileToUpload"; filename="{filename}"\r\nContent-Type: {media_type}\r\n\r\n'.encode() + photo)
    frame = f"--{BOUNDARY}\r\nContent-Disposition: form-data; ".encode()
    body = b"".join(frame + part + b"\r\n" for part in parts) + f"--{BOUNDARY}--\r\n".encode()
    head = (
        f"POST {path} HTTP/1.1\r\n"
        f"host: {host}\r\n"
        f"content-type: multipart/form-data; boundary={BOUNDARY}\r\n"
        f"content-length: {len(body)}\r\n"
        "expect: 100-continue\r\n"
        "\r\n"
    )
    return head.encode(), body
