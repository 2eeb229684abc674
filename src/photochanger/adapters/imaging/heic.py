"""Checks that a HEIC is whole. The decoder answers a picture even where most of the file is missing."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from photochanger.adapters.imaging.results import Unreadable

_BOX_BYTES = 8
_LARGE_BOX_BYTES = 16
_FULL_BOX_BYTES = 4
_IN_FILE = 0
"""Construction method of items whose bytes are found by their offset in the file."""


class _Box(NamedTuple):
    kind: bytes
    start: int
    end: int


class _Fields:
    """Big-endian numbers one after the other."""

    def __init__(self, data: bytes, at: int, end: int) -> None:
        self._data, self._at, self._end = data, at, end

    def take(self, size: int) -> int:
        self._at += size
        if self._at > self._end:
            raise Unreadable("an item list ends too early")
        return int.from_bytes(self._data[self._at - size : self._at], "big")


def check_whole(data: bytes) -> None:
    """Raises Unreadable where a box or an item (ISO/IEC 14496-12, `iloc`) reaches beyond the end of the file."""
    boxes = {box.kind: box for box in _boxes(data, 0, len(data))}
    if b"meta" not in boxes:
        raise Unreadable("there is no list of its pictures")
    meta = boxes[b"meta"]
    for box in _boxes(data, meta.start + _FULL_BOX_BYTES, meta.end):
        if box.kind == b"iloc" and max(_item_ends(data, box), default=0) > len(data):
            raise Unreadable("its pixels are cut short")


def _boxes(data: bytes, at: int, end: int) -> Iterator[_Box]:
    while at < end:
        if end - at < _BOX_BYTES:
            raise Unreadable("a box is cut short")
        size, kind = struct.unpack_from(">I4s", data, at)
        start = at + _BOX_BYTES
        if size == 1 and end - at >= _LARGE_BOX_BYTES:
            (size,) = struct.unpack_from(">Q", data, start)
            start = at + _LARGE_BOX_BYTES
        stop = end if size == 0 else at + size
        if not start <= stop <= end:
            raise Unreadable("a box is cut short")
        yield _Box(kind, start, stop)
        at = stop


def _item_ends(data: bytes, iloc: _Box) -> Iterator[int]:
    """Where in the file each item's bytes end."""
    fields = _Fields(data, iloc.start, iloc.end)
    version = fields.take(1)
    fields.take(3)
    sizes, more_sizes = fields.take(1), fields.take(1)
    offset_size, length_size, base_size = sizes >> 4, sizes & 15, more_sizes >> 4
    index_size = more_sizes & 15 if version else 0
    id_size = 4 if version == 2 else 2  # noqa: PLR2004 – the version is the standard's own number
    for _ in range(fields.take(id_size)):
        fields.take(id_size)
        method = fields.take(2) & 15 if version else _IN_FILE
        fields.take(2)
        base = fields.take(base_size)
        for _ in range(fields.take(2)):
            fields.take(index_size)
            item_end = base + fields.take(offset_size) + fields.take(length_size)
            if method == _IN_FILE:
                yield item_end
