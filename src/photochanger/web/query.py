"""Reads the query of an address against a msgspec Struct, with every mistake at once.

The framework reports one mistake and shows the whole address with it. The same Struct makes the parameters of the
OpenAPI document (`web/openapi.py`), so both stay true. Parameters the Struct does not name are ignored.
"""

from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from litestar import Request
from msgspec import Struct, ValidationError

from photochanger.core.errors import Problem
from photochanger.core.forms import Mistakes, convert, describe

Query = TypeVar("Query", bound=Struct)
_PARAMETERS = 100
_FLAGS = {"1": True, "0": False}


def read_query(request: Request[Any, Any, Any], kind: type[Query]) -> Query:
    """A `kind` made of the query. Times need `Meta(tz=True)`, flags are true, false, 1 or 0."""
    try:
        pairs = parse_qsl(
            request.scope["query_string"].decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_PARAMETERS,
        )
    except ValueError:
        raise Problem("bad-request", "The query is not valid UTF-8, or has too many parameters.") from None
    mistakes = Mistakes()
    members: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        given = [value for name, value in pairs if name == field.encode_name]
        if len(given) > 1:
            mistakes.add(field.encode_name, "is given more than once")
        elif given:
            members[field.name] = _read(given[0], field.type, field.encode_name, mistakes)
        elif field.required:
            mistakes.add(field.encode_name, "is required")
    mistakes.raise_if_any()
    return kind(**members)


def _read(text: str, kind: Any, name: str, mistakes: Mistakes) -> Any:
    if "\0" in text:
        mistakes.add(name, "must not hold a NUL character")
        return None
    for candidate in _readings(text):
        try:
            return convert(candidate, kind)
        except ValidationError:
            continue
    mistakes.add(name, f"must be {describe(kind)}")
    return None


def _readings(text: str) -> list[object]:
    """A parameter is a text, or else a JSON number or boolean, or a flag."""
    readings: list[object] = [text]
    try:
        scalar = msgspec.json.decode(text.encode()) if text == text.strip() else None
    except (msgspec.DecodeError, RecursionError):
        scalar = None
    if isinstance(scalar, bool | int) or (isinstance(scalar, float) and not scalar.is_integer()):
        readings.append(scalar)
    if text in _FLAGS:
        readings.append(_FLAGS[text])
    return readings
