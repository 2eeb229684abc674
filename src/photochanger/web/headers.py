"""Security headers on every answer. What an answer says itself is left as it is."""

import re
from collections.abc import Iterable

from litestar.types import ASGIApp, Message, Receive, Scope, Send

_IMAGE_POLICY = b"default-src 'none'; sandbox"
_DATA_POLICY = b"default-src 'none'; frame-ancestors 'none'"
_VISITORS = ("/public/", "/r/")
_SLASHES = re.compile("/+")


class HeadersLayer:
    """`https`: browsers may be told to stay on it. `image_hosts`: origins of a store that pages show photos from."""

    def __init__(self, app: ASGIApp, *, https: bool = False, image_hosts: Iterable[str] = ()) -> None:
        self._app = app
        images = " ".join(["'self'", "data:", *image_hosts])
        self._page_policy = (
            f"default-src 'none'; script-src 'self'; style-src 'self'; img-src {images}; connect-src 'self'; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ).encode()
        self._always = [(b"x-content-type-options", b"nosniff")]
        if https:
            self._always.append((b"strict-transport-security", b"max-age=31536000"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message["headers"])
                present = {name.lower(): value for name, value in headers}
                wanted = [*self._always, *_for_path(scope["path"]), self._policy(present.get(b"content-type", b""))]
                message["headers"] = [*headers, *((name, value) for name, value in wanted if name not in present)]
            await send(message)

        await self._app(scope, receive, send_guarded)

    def _policy(self, content_type: bytes) -> tuple[bytes, bytes]:
        if content_type.startswith(b"text/html"):
            return b"content-security-policy", self._page_policy
        policy = _IMAGE_POLICY if content_type.startswith(b"image/") else _DATA_POLICY
        return b"content-security-policy", policy


def _for_path(path: str) -> list[tuple[bytes, bytes]]:
    # Doubled slashes are one to the router.
    if not _SLASHES.sub("/", path).startswith(_VISITORS):
        return [(b"referrer-policy", b"same-origin")]
    return [(b"referrer-policy", b"no-referrer"), (b"x-robots-tag", b"noindex")]
