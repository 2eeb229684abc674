"""Lets a client that is still sending read our answer.

uvicorn closes the connection after an answer that came before the end of the body, and the client's kernel throws the
answer away with the reset. So: say `Connection: close`, send the answer, swallow what still comes for a while, then
end. Nothing of what is swallowed is looked at.
"""

import asyncio
from contextlib import suppress
from typing import cast

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from litestar.types.asgi_types import HTTPReceiveMessage

from photochanger.core.limits import KIB, MIB
from photochanger.web.context import header

_CATCH_UP_SECONDS = 0.1
_DRAIN_SECONDS = 2.0
_DRAIN_BYTES = 64 * MIB


class EarlyAnswerLayer:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or not _has_body(scope):
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        await self._app(scope, exchange.receive, exchange.send)


class _Exchange:
    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._body_ended = False
        # Until the first receive() no `100 Continue` goes out, so such a client has sent nothing that could be read.
        self._body_held_back = (header(scope, b"expect") or "").lower() == "100-continue"

    async def receive(self) -> HTTPReceiveMessage:
        self._body_held_back = False
        message = cast("HTTPReceiveMessage", await self._receive())
        if message["type"] != "http.request" or not message.get("more_body", False):
            self._body_ended = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and not (self._body_ended or self._body_held_back):
            await self._catch_up()
        if self._body_ended:
            await self._send(message)
        elif message["type"] == "http.response.start":
            kept = [(name, value) for name, value in message["headers"] if name.lower() != b"connection"]
            message["headers"] = [*kept, (b"connection", b"close")]
            await self._send(message)
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            if not self._body_held_back:
                await self._drain()
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await self._send(message)

    async def _catch_up(self) -> None:
        """A line end that comes behind the final boundary must not cost the connection."""
        taken = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(_CATCH_UP_SECONDS):
                while not self._body_ended and taken < KIB:
                    message = await self.receive()
                    taken += len(message["body"]) if message["type"] == "http.request" else 0

    async def _drain(self) -> None:
        dropped = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                while not self._body_ended and dropped < _DRAIN_BYTES:
                    message = await self.receive()
                    if message["type"] == "http.request":
                        dropped += len(message["body"])


def _has_body(scope: Scope) -> bool:
    return header(scope, b"transfer-encoding") is not None or (header(scope, b"content-length") or "0") != "0"
