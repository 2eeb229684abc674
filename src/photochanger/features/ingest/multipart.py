"""Reads an upload while it arrives: text parts, then one file as a stream. Frames come from the `multipart` package.

The framework must never parse an upload: it believes the charset a client names. Here text is UTF-8 or refused, nothing
but the text parts stays in memory, the client's file name is not kept at all, and a request means the same however the
network cuts it.
"""

import re
from collections.abc import AsyncIterator, Iterable

from multipart import MultipartError, MultipartSegment, ParserError, ParserLimitReached, PushMultipartParser

from photochanger.core import limits
from photochanger.core.errors import Problem

FILE_NAMES = frozenset({"fileToUpload", "file", "photo", "image"})
_ONCE_NAMES = frozenset({"password", "album", "ref", "style"})
_ENCODINGS = frozenset({"7bit", "8bit", "binary"})
_PREAMBLE_BYTES = 64 * limits.KIB
_HEADER_LINE_BYTES = 4 * limits.KIB
_HEADERS = 8
_CONTROLS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
"""RFC 2046, 5.1.1."""
_PARAMETER = re.compile(
    r""";[ \t]*(?:([0-9A-Za-z!#$%&'*+.^_`|~-]+)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^\s;"]*)[ \t]*)?""", re.DOTALL
)


class UploadReader:
    """First `read_fields`, then `file` to its end. Everything wrong with the upload is `malformed-upload`.

    What the chunks raise goes through. Reading stops at the final boundary: what a client sends behind it stays unread.
    """

    def __init__(
        self, content_type: str | None, chunks: AsyncIterator[bytes], *, part_bytes: int = limits.TEXT_PART_BYTES
    ) -> None:
        """`part_bytes`: how large each text part may be."""
        self._part_bytes = part_bytes
        self.fields: dict[str, str] = {}
        self.late_fields: dict[str, str] = {}
        """Text parts that came behind the file, when it is already in the store."""
        self._parser = _Parser(_read_boundary(content_type or ""))
        self._events = self._read(chunks)
        self._names: list[str] = []
        self._text_bytes = 0

    async def read_fields(self) -> None:
        """Reads until the file begins."""
        if not await self._read_texts(self.fields):
            raise _malformed("Add one file part named fileToUpload.")

    async def file(self) -> AsyncIterator[bytes]:
        """The file's bytes as they arrive; the last one is followed by the rest of the upload, read to its end."""
        async for event in self._events:
            if not isinstance(event, bytes):
                break
            yield event
        if await self._read_texts(self.late_fields):
            raise _malformed("Send one file in one upload.")

    async def _read_texts(self, into: dict[str, str]) -> bool:
        """Whether a file part begins behind the text parts; else the upload has ended."""
        name, text = "", bytearray()
        async for event in self._events:
            if isinstance(event, MultipartSegment):
                name, is_file = _read_disposition(event.headerlist)
                if is_file:
                    return True
                self._count_name(name)
                text = bytearray()
            elif event is not None:
                self._text_bytes += len(event)
                if len(text) + len(event) > self._part_bytes or self._text_bytes > limits.TEXT_TOTAL_BYTES:
                    each, together = self._part_bytes // limits.KIB, limits.TEXT_TOTAL_BYTES // limits.KIB
                    raise _malformed(f"Keep each text part within {each} KiB and all together within {together} KiB.")
                text += event
            else:
                into[name] = _decode(text)
        return False

    def _count_name(self, name: str) -> None:
        if name in _ONCE_NAMES and name in self._names:
            raise _malformed("Send each of the text parts password, album, ref and style at most once.")
        self._names.append(name)
        if len(self._names) > limits.TEXT_PARTS:
            raise _malformed(f"Send at most {limits.TEXT_PARTS} text parts.")

    async def _read(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[MultipartSegment | bytes | None]:
        """Each part as its segment, its bytes, and None at its end."""
        try:
            async for chunk in chunks:
                for event in self._parser.feed(chunk):
                    yield event
                if self._parser.is_at_end:
                    return
        except ParserLimitReached:
            raise _malformed("Send at most 8 headers in a part, each within 4 KiB.") from None
        except MultipartError:
            raise _malformed(
                "Frame the parts with the announced boundary and CRLF, each with Content-Disposition: form-data and "
                "without control characters in its headers."
            ) from None
        raise _malformed("The upload ended before its final boundary; send it again.")


class _Parser(PushMultipartParser):
    """The package's parser, where it takes what we refuse, refuses what we take, or decides by the chunks' edges.

    Not its strict mode: that refuses legal uploads whose last line end comes in a TCP segment of its own.
    """

    def __init__(self, boundary: str) -> None:
        # One byte more than a line may have: a CR that waits for its LF is counted, too.
        super().__init__(boundary, max_header_size=_HEADER_LINE_BYTES + 1, max_header_count=_HEADERS)
        self._preamble: bytearray | None = bytearray(b"\r\n")

    @property
    def is_at_end(self) -> bool:
        """Whether the final boundary was read, once all events were taken. `closed` does not tell (multipart 2.0.1)."""
        return self._segment is not None and self._segment.complete

    def feed(self, chunk: bytes) -> Iterable[MultipartSegment | bytes | None]:
        if self._preamble is not None:
            chunk = self._skip_preamble(self._preamble, chunk)
        return self.parse(chunk) if chunk else ()

    def _skip_preamble(self, held: bytearray, chunk: bytes) -> bytes:
        """The bytes from the first boundary on; none before it is there."""
        searched = len(held)
        held += chunk
        length = len(self._delimiter)
        index = held.find(self._delimiter, max(0, searched - length - 2))
        end = index + length + 2
        if (index if index >= 0 else len(held) - length) > _PREAMBLE_BYTES:
            raise _malformed("Begin the upload with the boundary that its Content-Type announces.")
        if index < 0 or end > len(held):
            return b""
        if held[end - 2 : end] == b"--":
            raise _malformed("Add one file part named fileToUpload.")
        self._preamble = None
        return bytes(held[index + 2 :])

    def _on_segment_headerline(self, line: bytes) -> None:
        if len(line) > _HEADER_LINE_BYTES:
            raise ParserLimitReached
        if _CONTROLS.search(line):
            raise ParserError
        super()._on_segment_headerline(line)

    def _create_segment(self, headerlist: list[tuple[str, str]]) -> MultipartSegment:
        self._segment_limit = -1  # a part's own Content-Length is not believed (RFC 7578, 4.8)
        return super()._create_segment(headerlist)


def _read_boundary(content_type: str) -> str:
    media_type, parameters = _read_parameters(content_type)
    if media_type != "multipart/form-data":
        raise _malformed("Send the upload as multipart/form-data.")
    boundary = parameters.get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise _malformed("Announce the boundary in the Content-Type: 1 to 70 of the characters RFC 2046 allows.")
    return boundary


def _read_disposition(headers: list[tuple[str, str]]) -> tuple[str, bool]:
    """The part's name, and whether it is the file. The package overlooks `filename*` and parameters given twice."""
    for name, value in headers:
        if name == "Content-Transfer-Encoding" and value.strip().lower() not in _ENCODINGS:
            raise _malformed("Send the parts as they are, without a Content-Transfer-Encoding.")
    dispositions = [value for name, value in headers if name == "Content-Disposition"]
    if len(dispositions) != 1:
        raise _malformed("Give each part one Content-Disposition.")
    _, parameters = _read_parameters(dispositions[0])
    name = parameters.get("name", "")
    if not name:
        raise _malformed("Give each part a name in its Content-Disposition.")
    has_filename = False
    for key, value in parameters.items():
        if key.partition("*")[0] == "filename":
            has_filename = True
            if not (value.rpartition("'")[2] if "*" in key else value):
                raise _malformed("Choose a file, or leave the empty filename out.")
    if has_filename and name not in FILE_NAMES:
        raise _malformed("Name the file part fileToUpload, and send no other part with a filename.")
    return name, name in FILE_NAMES


def _read_parameters(header: str) -> tuple[str, dict[str, str]]:
    """A header's value in lower case, and its parameters without their quotes; what is escaped in them stays so."""
    value = header.partition(";")[0]
    parameters: dict[str, str] = {}
    end = len(value)
    while end < len(header):
        found = _PARAMETER.match(header, end)
        name = found[1].lower() if found and found[1] else None
        if found is None or name in parameters:
            raise _malformed("Give each parameter of a Content-Type or Content-Disposition once, as name=value.")
        if name is not None:
            parameters[name] = found[2][1:-1] if found[2].startswith('"') else found[2]
        end = found.end()
    return value.strip(" \t").lower(), parameters


def _decode(text: bytearray) -> str:
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError:
        decoded = "\0"
    if "\0" in decoded:
        raise _malformed("Send text parts in UTF-8, without NUL characters.")
    return decoded


def _malformed(detail: str) -> Problem:
    return Problem("malformed-upload", detail)
