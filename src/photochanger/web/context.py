"""The outermost layer of every request: its id, its start, its line in the access log, its place in the metrics.

Reads no body and decides nothing. Queries and secret parts of paths never reach the log.
"""

import re
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import uuid4

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from photochanger.core.clock import Clock
from photochanger.web.redact import one_line, redact

_SANE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
AGE = "photochanger.age"
"""In the state of a scope: a function that says how many seconds ago the request's first byte came."""
_STATE = "photochanger.request"
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class RequestContext:
    id: str
    started: float
    """`Clock.monotonic()` when the request's first byte came; its whole head under a server that does not tell."""
    client: str
    path: str
    """As it was asked for: the router writes its own into the scope."""
    code: str | None = None
    """The problem's code, where the answer is a problem."""


class Observer(Protocol):
    def observe(self, *, method: str, route: str, status: int, seconds: float) -> None: ...


class Clients(Protocol):
    def client(self, scope: Scope) -> str: ...


def context_of(scope: Scope) -> RequestContext:
    """What the outermost layer knows about this request."""
    found: RequestContext = scope["state"][_STATE]
    return found


class ContextLayer:
    def __init__(self, app: ASGIApp, *, clock: Clock, clients: Clients, observer: Observer) -> None:
        self._app = app
        self._clock = clock
        self._clients = clients
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        age = scope["state"].get(AGE, float)
        started = self._clock.monotonic() - age()
        context = RequestContext(_request_id(scope), started, self._clients.client(scope), scope["path"])
        scope["state"][_STATE] = context
        answer = _Answer(self, scope, context, send)
        with structlog.contextvars.bound_contextvars(request_id=context.id):
            try:
                await self._app(scope, receive, answer.send)
            finally:
                answer.end(whole=False)

    def note(self, scope: Scope, context: RequestContext, status: int, *, whole: bool) -> None:
        seconds = self._clock.monotonic() - context.started
        method = str(scope.get("method"))
        self._observer.observe(
            method=method, route=scope.get("path_template") or "unmatched", status=status, seconds=seconds
        )
        fields: dict[str, Any] = {
            "method": method,
            "path": one_line(redact(context.path)),
            "status": status,
            "duration_ms": round(seconds * 1000, 1),
            "client": context.client,
            "user_agent": one_line(redact(header(scope, b"user-agent") or "")),
        }
        if context.code:
            fields["code"] = context.code
        _log.info("http.answered" if whole else "http.broken_off", **fields)


class _Answer:
    """One answer on its way out."""

    def __init__(self, layer: ContextLayer, scope: Scope, context: RequestContext, send: Send) -> None:
        self._layer = layer
        self._scope = scope
        self._context = context
        self._send = send
        self._status = 500
        self._noted = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            kept = [(name, value) for name, value in message["headers"] if name.lower() != b"x-request-id"]
            message["headers"] = [*kept, (b"x-request-id", self._context.id.encode())]
        elif message["type"] == "http.response.body":
            if self._scope.get("method") == "HEAD":
                message["body"] = b""
            if not message.get("more_body", False):
                # Before the last byte leaves: whoever has the answer finds its line in the log.
                self.end(whole=True)
        await self._send(message)

    def end(self, *, whole: bool) -> None:
        if not self._noted:
            self._noted = True
            self._layer.note(self._scope, self._context, self._status, whole=whole)


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of this (lower-case) name."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)


def _request_id(scope: Scope) -> str:
    given = header(scope, b"x-request-id")
    return given if given and _SANE_ID.fullmatch(given) else uuid4().hex
