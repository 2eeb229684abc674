"""Keeps `/schema/openapi.json` true for handlers that read their query and body by hand.

Handlers name their Structs once more in `operation_class=documented(...)`; nothing here validates anything.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from litestar import HttpMethod, Request, Router
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, Operation, SecurityScheme
from litestar.types import Method, OperationIDCreator
from msgspec import Struct

from photochanger.core.errors import PROBLEMS, Problem

_ADDRESS = "/schema/openapi.json"
_PROBLEM_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "code"],
    "properties": {
        "type": {"type": "string", "examples": ["/problems/not-found"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What to do; safe to show."},
        "instance": {"type": "string", "description": "The request id."},
        "code": {"type": "string", "enum": sorted(PROBLEMS)},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}

_PROBLEM = {
    "description": "A problem",
    "content": {"application/problem+json": {"schema": _PROBLEM_SCHEMA}},
}
_REFERENCE = {"$ref": "#/components/responses/Problem"}


def openapi_config(version: str) -> OpenAPIConfig:
    """The document alone, without viewers: those load scripts from elsewhere."""
    return OpenAPIConfig(
        title="PhotoChanger",
        version=version,
        components=Components(
            responses=cast("Any", {"Problem": _PROBLEM}),
            security_schemes={"bearer": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")},
        ),
        openapi_router=Router(
            "/schema",
            route_handlers=[],
            include_in_schema=False,
            before_request=_only_the_document,
            opt={"access": "public"},
        ),
        render_plugins=[JsonRenderPlugin()],
    )


def documented(
    *,
    query: type[Struct] | None = None,
    body: type[Struct] | None = None,
    content_type: str = "application/json",
    problems: Iterable[str] = (),
    moved: str | None = None,
) -> type[Operation]:
    """The `operation_class` of a handler: what it reads, the problems it names beside the common ones, and its 302."""
    document = {"required": True, "content": {content_type: {"schema": _schema(body)}}} if body else None
    return _operation(_parameters(query) if query else [], document, problems, moved)


def read_operation(noun: str) -> OperationIDCreator:
    """The operation_id of a handler that answers GET and HEAD: one name for both would be refused."""

    def name(_handler: HTTPRouteHandler, method: Method, _path: object) -> str:
        return f"{HttpMethod(method).value.lower()}_{noun}"

    return name


def documented_upload(
    *,
    fields: Mapping[str, str],
    file: str = "fileToUpload",
    parameters: Iterable[dict[str, Any]] = (),
    problems: Iterable[str] = (),
) -> type[Operation]:
    """Of a handler with a streaming reader of its own: `fields` are text parts with what they are for."""
    texts = {name: {"type": "string", "description": what} for name, what in fields.items()}
    photo = {"type": "string", "format": "binary", "description": "The one file; it comes after the text parts."}
    schema = {"type": "object", "required": [file], "properties": {**texts, file: photo}}
    document = {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    return _operation(list(parameters), document, problems)


def _operation(
    parameters: list[dict[str, Any]],
    document: dict[str, Any] | None,
    problems: Iterable[str],
    moved: str | None = None,
) -> type[Operation]:
    answers = _answers(problems) | ({"302": {"description": moved}} if moved else {})

    @dataclass
    class Documented(Operation):
        def __post_init__(self) -> None:
            self.parameters = cast("Any", [*(self.parameters or []), *parameters]) or None
            self.request_body = cast("Any", document) or self.request_body
            # The framework's own 400 is never answered: `web/problems.py` says it otherwise.
            own = {status: answer for status, answer in (self.responses or {}).items() if status != "400"}
            self.responses = cast("Any", {**own, **answers})

    return Documented


def _only_the_document(request: Request[Any, Any, Any]) -> None:
    # Before the framework's own page for everything else below /schema.
    if request.scope["path"] != _ADDRESS:
        raise Problem("not-found")


def _answers(codes: Iterable[str]) -> dict[str, Any]:
    by_status: dict[str, list[str]] = {}
    for code in codes:
        by_status.setdefault(str(PROBLEMS[code].status), []).append(code)
    named = {status: {**_REFERENCE, "description": ", ".join(found)} for status, found in by_status.items()}
    return {**named, "default": _REFERENCE}


def _parameters(kind: type[Struct]) -> list[dict[str, Any]]:
    schema = _schema(kind)
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": of}
        for name, of in schema["properties"].items()
    ]


def _schema(kind: type[Struct]) -> dict[str, Any]:
    """The JSON schema of `kind` with everything it refers to written out."""
    whole = msgspec.json.schema(kind)
    parts = whole.get("$defs", {})

    def written_out(value: Any) -> Any:
        if isinstance(value, dict) and "$ref" in value:
            return written_out(parts[value["$ref"].rpartition("/")[2]])
        if isinstance(value, dict):
            return {name: written_out(item) for name, item in value.items()}
        return [written_out(item) for item in value] if isinstance(value, list) else value

    return cast("dict[str, Any]", written_out({name: item for name, item in whole.items() if name != "$defs"}))
