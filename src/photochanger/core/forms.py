"""Checks what somebody sent against a msgspec Struct and reports every mistake at once, each with its field."""

import types
import typing
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import UNSET, Struct, inspect

from photochanger.core.errors import Problem


class FieldError(Struct, frozen=True):
    field: str
    """The path of the member, for example `chain.0.prompt`."""
    message: str


class Mistakes:
    """Collects field errors; `raise_if_any` turns them into one `validation-failed`."""

    def __init__(self) -> None:
        self.errors: list[FieldError] = []

    def add(self, field: str, message: str) -> None:
        self.errors.append(FieldError(field, message))

    def raise_if_any(self) -> None:
        if self.errors:
            raise Problem("validation-failed", errors=self.errors)


def invalid(field: str, message: str) -> Problem:
    """The problem for one wrong field."""
    return Problem("validation-failed", errors=[FieldError(field, message)])


def read_members(kind: type[Struct], raw: object, mistakes: Mistakes, *, at: str = "") -> dict[str, Any]:
    """The members of `raw` that are right, converted; every other one is in `mistakes`.

    A member left out is missing from the answer: what that means is the caller's to say. A required one left out,
    an unknown one, and one of the wrong kind are mistakes. Types are strict: "5", 5.0 and true are no integers.
    """
    if not isinstance(raw, Mapping):
        mistakes.add(at or "body", "must be an object")
        return {}
    prefix = f"{at}." if at else ""
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    members: dict[str, Any] = {}
    for name, field in fields.items():
        if name in raw:
            value = _read(field.type, raw[name], mistakes, prefix + name)
            if value is not UNSET:
                members[field.name] = value
        elif field.required:
            mistakes.add(prefix + name, "is required")
    for name in raw.keys() - fields.keys():
        mistakes.add(f"{prefix}{str(name)[:64]}", "is not a member of this document")
    return members


def read_document(kind: type[Struct], raw: object, mistakes: Mistakes, *, at: str = "") -> Any:
    """A `kind` made of `raw`, or UNSET with the reasons in `mistakes`."""
    before = len(mistakes.errors)
    members = read_members(kind, raw, mistakes, at=at)
    return kind(**members) if len(mistakes.errors) == before else UNSET


def _read(kind: Any, raw: object, mistakes: Mistakes, at: str) -> Any:
    """`raw` as `kind`, descending into structs and lists of structs; UNSET where it is wrong."""
    structs, items_of = _structs_of(kind), _structs_of(_item_of(kind))
    if structs and raw is not None:
        return _read_struct(structs, raw, mistakes, at)
    if items_of and isinstance(raw, list):
        before = len(mistakes.errors)
        items = [_read_struct(items_of, each, mistakes, f"{at}.{index}") for index, each in enumerate(raw)]
        if len(mistakes.errors) > before:
            return UNSET
        raw = items
    try:
        return convert(raw, kind)
    except msgspec.ValidationError:
        mistakes.add(at, f"must be {describe(kind)}")
        return UNSET


def _read_struct(structs: list[type[Struct]], raw: object, mistakes: Mistakes, at: str) -> Any:
    """One of several structs is told by its tag, as in msgspec's tagged unions."""
    if len(structs) == 1 or not isinstance(raw, Mapping):
        return read_document(structs[0], raw, mistakes, at=at)
    tag_field = structs[0].__struct_config__.tag_field
    by_tag = {str(each.__struct_config__.tag): each for each in structs}
    chosen = by_tag.get(str(raw.get(tag_field)))
    if chosen is None:
        mistakes.add(f"{at}.{tag_field}", "must be one of " + ", ".join(by_tag))
        return UNSET
    return read_document(chosen, {name: raw[name] for name in raw if name != tag_field}, mistakes, at=at)


def _arguments(kind: Any) -> tuple[Any, ...]:
    if typing.get_origin(kind) is typing.Annotated:
        return _arguments(typing.get_args(kind)[0])
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return typing.get_args(kind)
    return (kind,)


def _structs_of(kind: Any) -> list[type[Struct]]:
    return [part for part in _arguments(kind) if isinstance(part, type) and issubclass(part, Struct)]


def _item_of(kind: Any) -> Any:
    for part in _arguments(kind):
        plain = typing.get_args(part)[0] if typing.get_origin(part) is typing.Annotated else part
        if typing.get_origin(plain) is list:
            return typing.get_args(plain)[0]
    return None


def convert(raw: object, kind: Any) -> Any:
    """`raw` as `kind`, strictly, a time in UTC. Raises msgspec's ValidationError, also for a time that UTC has not."""
    value = msgspec.convert(raw, kind, strict=True)
    if isinstance(value, str) and value.endswith("\n") and _is_anchored(inspect.type_info(kind)):
        raise msgspec.ValidationError("a line feed behind the end")  # Python's `$` lets it pass, JSON schema's does not
    try:
        return value.astimezone(UTC) if isinstance(value, datetime) else value
    except OverflowError:
        raise msgspec.ValidationError("out of range") from None


def _is_anchored(info: inspect.Type) -> bool:
    """Whether a text's pattern says how it ends."""
    match info:
        case inspect.UnionType(types=parts):
            return any(_is_anchored(part) for part in parts)
        case inspect.Metadata(type=inner):
            return _is_anchored(inner)
        case inspect.StrType(pattern=str() as pattern):
            return pattern.endswith("$")
    return False


def describe(kind: Any) -> str:
    """What a value of this type is, for a person: "a whole number from 10 to 60 or null"."""
    return _describe(inspect.type_info(kind))


def _describe(info: inspect.Type) -> str:
    match info:
        case inspect.UnionType(types=parts):
            return " or ".join(_describe(part) for part in parts)
        case inspect.Metadata(type=inner):
            return _describe(inner)
        case inspect.LiteralType(values=values):
            return "one of " + ", ".join(str(value) for value in values)
        case inspect.IntType(ge=low, le=high):
            return "a whole number" + _range(low, high)
        case inspect.FloatType(ge=low, le=high):
            return "a number" + _range(low, high)
        case inspect.StrType(min_length=low, max_length=high, pattern=pattern):
            return "a text" + _range(low, high, " characters") + (f" like {pattern}" if pattern else "")
        case inspect.ListType(min_length=low, max_length=high):
            return "a list" + _range(low, high, " items")
    plain = {
        inspect.BoolType: "true or false",
        inspect.NoneType: "null",
        inspect.DateTimeType: "a time like 2026-11-21T08:30:00Z",
        inspect.DictType: "an object",
        inspect.StructType: "an object",
    }
    return plain.get(type(info), "of another kind")


def _range(low: float | None, high: float | None, unit: str = "") -> str:
    if low is not None and high is not None:
        return f" from {low} to {high}{unit}"
    if low is not None:
        return f" of at least {low}{unit}"
    return f" of at most {high}{unit}" if high is not None else ""
