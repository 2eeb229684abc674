"""Tells what a file is by its first bytes. Names and headers of the sender are never asked."""

from collections.abc import Mapping
from types import MappingProxyType

HEAD_BYTES = 64
"""What `sniff` needs of a file."""

EXTENSIONS: Mapping[str, str] = MappingProxyType(
    {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/heic": "heic"}
)

_HEVC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_GENERIC_BRANDS = frozenset({b"mif1", b"msf1"})
"""HEIF with any codec: only the brands behind them tell which."""


def sniff(head: bytes) -> str | None:
    """The media type of an accepted image, or None. `head` is the file's first 64 bytes, or all of a shorter one."""
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return "image/heic" if head[4:8] == b"ftyp" and _is_heic(head[:HEAD_BYTES]) else None


def _is_heic(head: bytes) -> bool:
    """Canon's CR3 (`crx `), AVIF and films begin with the same box."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    major, others = head[8:12], {head[at : at + 4] for at in range(16, end - 3, 4)}
    if major in _HEVC_BRANDS:
        return True
    return major in _GENERIC_BRANDS and bool(others & _HEVC_BRANDS) and not others & _AVIF_BRANDS
