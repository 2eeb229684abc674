"""Bounds what uvicorn lets come over a connection: the time and size of a head, and how a body is framed.

The parser is given whole heads only, and a body up to its end, so nothing reaches it unbounded; where it lets pass what
another server on the way may read otherwise, the request is refused. There is no application here: refusals are a bare
status and the end of the connection.
"""

import asyncio
import re
from typing import Any

import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from photochanger.core.clock import SystemClock
from photochanger.core.limits import KIB, MIB
from photochanger.web.context import AGE

REQUEST_LINE_BYTES = 8 * KIB
HEAD_BYTES = 32 * KIB
FIELDS = 64
_BEGINNING_BYTES = MIB
_LINGER_SECONDS = 2.0
"""For a sender to read the refusal: closing at once would take it back with a reset."""
_BLANK_LINES = re.compile(rb"(?:\r\n){0,2}")
"""RFC 9112, 2.2: in front of a request line they are overlooked."""
_BARE_LF = re.compile(rb"(?<!\r)\n")
_REQUEST_LINE = re.compile(rb"(?!CONNECT )[A-Z-]+ [!-~]+ HTTP/1\.[01]")
_UPGRADE = re.compile(rb"\r\nupgrade:[^\r]*", re.IGNORECASE)
_SIZE_LINE = re.compile(rb"[0-9A-Fa-f]{1,16}\r\n")
_SIZE_LINE_BYTES = 18
_clock = SystemClock()
_log = structlog.get_logger(__name__)


class Guard(HttpToolsProtocol):
    first_byte_seconds = 10.0
    head_seconds = 10.0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head = bytearray()
        self._began: float | None = None
        """When the first byte of the head came that is not whole yet."""
        self._body: _Body | None = None
        """Of the request whose head was the last."""
        self._body_bytes = 0
        self._is_over = False
        """Whatever still comes is dropped."""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expire_in(self.first_byte_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        while data and not self._is_over:
            data = self._take_head(data) if self._body is None else self._take_body(self._body, data)

    def _take_head(self, data: bytes) -> bytes:
        """What is left behind the head, which is given on when it is whole."""
        seen = len(self._head)
        self._head += data
        if self._began is None and self._head.strip(b"\r\n"):  # some end a body with a line end too many, and pause
            self._began = _clock.monotonic()
            self._unset_keepalive_if_required()
            self._expire_in(self.head_seconds)
        start = _BLANK_LINES.match(self._head).end()  # type: ignore[union-attr]  # it matches everything
        end = self._head.find(b"\r\n\r\n", max(start, seen - 3))
        status = _refusal_of(self._head, seen, start, end)
        if status:
            self._refuse(status)
        if status or end < 0:
            return b""
        head, rest = bytes(self._head[start : end + 4]), bytes(self._head[end + 4 :])
        self._head.clear()
        self._stop_timer()
        # Nothing is switched to, and the parser would take the body for what comes after the switch.
        super().data_received(_UPGRADE.sub(b"", head))
        return rest

    def _take_body(self, body: "_Body", data: bytes) -> bytes:
        try:
            size = body.measure(data)
        except ValueError:
            self._refuse(400)
            return b""
        super().data_received(data[:size])
        if body.is_over:
            self._body = None
        return data[size:]

    def on_headers_complete(self) -> None:
        began = self._began or _clock.monotonic()
        self.scope["state"][AGE] = lambda: _clock.monotonic() - began
        self._began = None
        self._body_bytes = 0
        self._body = _body_of(self.headers, self.parser.get_http_version())
        super().on_headers_complete()
        if self._body.is_over:
            self._body = None

    def on_body(self, body: bytes) -> None:
        """Of a body's beginning, no more is read than the application asks for: a crowd that waits for the store's
        memory would cost another 256 KiB each. Later that would cost more than it saves.
        """
        super().on_body(body)
        self._body_bytes += len(body)
        if self._body_bytes < _BEGINNING_BYTES and not self.cycle.response_complete:
            self.flow.pause_reading()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 – uvicorn's way to refuse
        self._refuse(400)

    def _refuse(self, status: int) -> None:
        self._is_over = True
        self._stop_timer()
        if self.transport.is_closing():
            return
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body:
                cycle.keep_alive = False  # its answer is still on the way, and ends the connection
                return
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started or self.pipeline:
                self.transport.close()
                return
        _log.info("http.refused", status=status, client=self.client[0] if self.client else None)
        self.transport.write(STATUS_LINE[status] + b"connection: close\r\ncontent-length: 0\r\n\r\n")
        self.transport.write_eof()
        self._timer = self.loop.call_later(_LINGER_SECONDS, self.transport.close)

    def _expire_in(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, self._expire)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        if self._began is None:
            self.transport.close()  # it has not said a word, and is told none
        elif self.cycle is not None and not self.cycle.response_complete:
            self._expire_in(self.head_seconds)  # its answer comes first
        else:
            self._refuse(408)


class _Body:
    """Finds a body's end. Chunks are sizes and bytes: no extensions, no trailers."""

    def __init__(self, size: int | None) -> None:
        """`size` is None where it comes in chunks."""
        self._is_chunked = size is None
        self._left = size or 0
        self._line = bytearray()
        self._is_last = False
        self.is_over = size == 0

    def measure(self, data: bytes) -> int:
        """How many of these bytes are the body's; ValueError where they are framed in another way."""
        at = 0
        while at < len(data) and not self.is_over:
            if not self._left:
                at = self._read_line(data, at)
                continue
            taken = min(self._left, len(data) - at)
            self._left -= taken
            at += taken
            self.is_over = not (self._left or self._is_chunked)
        return at

    def _read_line(self, data: bytes, at: int) -> int:
        most = at + _SIZE_LINE_BYTES - len(self._line)
        end = data.find(b"\n", at, most) + 1 or min(most, len(data))
        self._line += data[at:end]
        if self._line.endswith(b"\n"):
            self._end_line(bytes(self._line))
            self._line.clear()
        elif len(self._line) == _SIZE_LINE_BYTES:
            raise ValueError("there is more in the line than a size")
        return end

    def _end_line(self, line: bytes) -> None:
        if self._is_last:
            if line != b"\r\n":
                raise ValueError("a trailer follows the last chunk")
            self.is_over = True
            return
        if not _SIZE_LINE.fullmatch(line):
            raise ValueError("there is something else than a size")
        size = int(line, 16)
        self._is_last = size == 0
        self._left = size + 2 if size else 0


def _refusal_of(head: bytearray, seen: int, start: int, end: int) -> int | None:
    """The status for a head that cannot become one we take. `seen` bytes of it were looked at before; `end` is where
    the empty line begins, or -1.
    """
    stop = end + 2 if end >= 0 else len(head)
    line_end = head.find(b"\r\n", start)
    if start < stop and not (65 <= head[start] <= 90 or head[start] == 13):  # noqa: PLR2004 – A to Z, CR
        return 400
    if _BARE_LF.search(head, seen, stop):
        return 400
    if (line_end if line_end >= 0 else stop) - start > REQUEST_LINE_BYTES:
        return 414
    if line_end >= 0 and not _REQUEST_LINE.fullmatch(head, start, line_end):
        return 400
    if stop > HEAD_BYTES or (end >= 0 and head.count(b"\r\n", line_end + 2, stop) > FIELDS):
        return 431
    return None


def _body_of(headers: list[tuple[bytes, bytes]], http_version: str) -> _Body:
    """The parser has refused lengths that are none, twice, or beside chunks."""
    codings = [value.strip().lower() for name, value in headers if name == b"transfer-encoding"]
    if not codings:
        return _Body(next((int(value) for name, value in headers if name == b"content-length"), 0))
    if codings != [b"chunked"] or http_version != "1.1":
        raise ValueError("no transfer coding but chunked is known, and none in HTTP/1.0")
    return _Body(None)
