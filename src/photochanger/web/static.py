"""The static files, read once at start. Their addresses carry their content's hash, so browsers keep them for good.

Only names found at start are served: there is no path to escape with and no folder to list.
"""

import hashlib
import mimetypes
from pathlib import Path
from typing import Any, NamedTuple

from litestar import HttpMethod, Request, route
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from photochanger.core.errors import Problem

_HASH_LENGTH = 16


class StaticFile(NamedTuple):
    content: bytes
    media_type: str
    digest: str


class StaticFiles:
    def __init__(self, folder: Path) -> None:
        self._files = {
            path.relative_to(folder).as_posix(): _read(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.name.startswith(".")
        }

    def url(self, name: str) -> str:
        """The address of a file; a template that names one that is not there fails."""
        return f"/static/{name}?v={self._files[name].digest}"

    def get(self, name: str) -> StaticFile:
        found = self._files.get(name)
        if found is None:
            raise Problem("not-found")
        return found

    def handler(self) -> HTTPRouteHandler:
        @route(
            "/static/{path:path}",
            http_method=[HttpMethod.GET, HttpMethod.HEAD],
            include_in_schema=False,
            sync_to_thread=False,
            name="static",
            opt={"access": "public"},
        )
        def static(request: Request[Any, Any, Any], path: FromPath[str]) -> ASGIResponse:
            return _answer(request, self.get(path.lstrip("/")))

        return static


def _answer(request: Request[Any, Any, Any], file: StaticFile) -> ASGIResponse:
    is_named = request.query_params.get("v") == file.digest
    etag = f'"{file.digest}"'
    headers = {
        "etag": etag,
        "cache-control": "public, max-age=31536000, immutable" if is_named else "no-cache",
    }
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if etag in known or "*" in known:
        return ASGIResponse(status_code=304, headers=headers)
    headers |= {"content-type": file.media_type, "content-length": str(len(file.content))}
    is_head = request.method == HttpMethod.HEAD
    return ASGIResponse(body=b"" if is_head else file.content, headers=headers, is_head_response=is_head)


def _read(path: Path) -> StaticFile:
    content = path.read_bytes()
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if media_type.startswith("text/") or media_type.endswith(("javascript", "json", "svg+xml")):
        media_type += "; charset=utf-8"
    return StaticFile(content, media_type, hashlib.sha256(content).hexdigest()[:_HASH_LENGTH])
