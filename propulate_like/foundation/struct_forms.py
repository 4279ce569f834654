"""The forms of structs in YAML, with numbers as people write them: 1e3 for a whole number, 10m for seconds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import inspect

from propulate_like.foundation.declarations import whole_in
from propulate_like.foundation.durations import PATTERN, seconds_in

_Struct = TypeVar("_Struct")
_UNIT = {"unit": "seconds"}
_INT, _FLOAT = inspect.IntType, inspect.FloatType

Seconds = Annotated[float, msgspec.Meta(extra=_UNIT, extra_json_schema={"pattern": PATTERN})]
"""The type of a struct's seconds, which are given as a number or as a text such as 10m."""


def read_struct(form: Any, kind: type[_Struct]) -> _Struct:
    """Read a struct from its form in YAML.

    Raises:
        msgspec.ValidationError: The form does not fit.
    """
    return msgspec.convert(understood(form, kind), kind)


def understood(form: Any, kind: type) -> Any:
    """Return the form of a struct with its whole numbers and seconds as such, where the fields' types ask for them."""
    return _meant(form, _info(kind))


def struct_schema(kind: type) -> dict[str, Any]:
    """Return the JSON Schema of a struct's form."""
    schema = msgspec.json.schema(kind)
    _take_texts(schema)
    return schema


def _take_texts(schema: Any) -> None:
    """Let a schema take texts where it has the pattern of seconds, which msgspec knows as numbers alone."""
    if isinstance(schema, dict):
        if schema.get("pattern") == PATTERN:
            schema["type"] = ["number", "string"]
        for member in schema.values():
            _take_texts(member)
    elif isinstance(schema, list):
        for member in schema:
            _take_texts(member)


@cache
def _info(kind: type) -> inspect.Type:
    return inspect.type_info(kind)


def _meant(form: Any, info: inspect.Type) -> Any:
    kinds = info.types if isinstance(info, inspect.UnionType) else (info,)
    if isinstance(form, float) and _INT in map(type, kinds) and _FLOAT not in map(type, kinds):
        return whole_in(form)
    if isinstance(form, str) and any(isinstance(kind, inspect.Metadata) and kind.extra == _UNIT for kind in kinds):
        try:
            return seconds_in(form)
        except ValueError:
            return form  # which is refused with its place
    for kind in kinds:
        if isinstance(kind, inspect.StructType) and isinstance(form, Mapping):
            types = {field.encode_name: field.type for field in kind.fields}
            return {key: _meant(member, types[key]) if key in types else member for key, member in form.items()}
        if isinstance(kind, inspect.ListType) and isinstance(form, list):
            return [_meant(member, kind.item_type) for member in form]
    return form
