"""One declaration of each thing: from a class's signature come its form in Python, in YAML and in the JSON Schema."""

from __future__ import annotations

import contextlib
import difflib
import inspect
import re
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from propulate_like.foundation.durations import FORMS, seconds_in
from propulate_like.foundation.values import brief, plain, real, tree

_Built = TypeVar("_Built")
_LARGEST_SEED = 2**64 - 1
_SIMPLE = {int: "integer", float: "number", str: "string", bool: "boolean", type(None): "null"}
_DESCRIBED = re.compile(r"    \*{0,2}(\w+): (.*)")
_COMPARED = (int, float, str)


def nearest(word: object, valid: Sequence[object]) -> str:
    """Return "; did you mean 'x'?" or the list of what is valid, to end a message about an unknown word."""
    names = [str(name) for name in valid]
    close = difflib.get_close_matches(str(word), names, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; valid: {', '.join(names)}" if names else ""


def whole(name: str, given: object, low: int, high: int | None = None) -> int:
    """Return the whole number that `given` is, also as 1e3, if that lies in [low, high]; ValueError otherwise."""
    value = whole_in(given)
    if type(value) is not int or value < low or (high is not None and value > high):
        upper = "" if high is None else f" and at most {high}"
        message = f"{name}={brief(given)} must be a whole number of at least {low}{upper}"
        raise ValueError(message)
    return value


def whole_in(given: object) -> Any:
    """Return the whole number that a float such as 1e3 is; anything else as the Python value that it is."""
    value = plain(given)
    return int(value) if type(value) is float and value.is_integer() else value


def seed_of(given: object) -> int:
    """Return the seed that `given` is; ValueError for what no message between processes can hold."""
    return whole("seed", given, 0, _LARGEST_SEED)


def flag(name: str, given: object) -> bool:
    """Return the bool that `given` is; ValueError otherwise."""
    value = plain(given)
    if not isinstance(value, bool):
        message = f"{name}={brief(given)} must be true or false"
        raise ValueError(message)
    return value


def number(name: str, given: object, low: float = 0.0, high: float = float("inf"), *, above: bool = False) -> float:
    """Return the number that `given` is, if in [low, high], or in (low, high] with `above`; ValueError otherwise."""
    try:
        value = real(given)
    except ValueError:
        value = float("nan")
    if not low <= value <= high or (above and value == low):
        upper = f" and at most {high:g}" if high < float("inf") else ""
        bounds = f" {'above' if above else 'of at least'} {low:g}{upper}" if low > -float("inf") else ""
        message = f"{name}={brief(given)} must be a number{bounds}"
        raise ValueError(message)
    return value


def seconds(name: str, given: object, low: float = 0.0, high: float = float("inf"), *, above: bool = False) -> float:
    """Return the seconds that `given` is, a number or a text such as 10m, as `number` does; ValueError otherwise."""
    text = plain(given)
    if isinstance(text, str):
        with contextlib.suppress(ValueError):
            given = seconds_in(text)
    try:
        return number(name, given, low, high, above=above)
    except ValueError as error:
        message = f"{error}, or such as {FORMS}"
        raise ValueError(message) from None


def ordered(members: Collection[Any]) -> list[Any]:
    """Return the members of a set in an order that is the same in every process."""
    return sorted(members, key=lambda each: (type(each).__name__, each if isinstance(each, _COMPARED) else repr(each)))


def build(
    kind: Callable[..., _Built],
    positional: Sequence[Any],
    keywords: Mapping[str, Any],
    convert: Callable[[Any, Any], Any] = lambda _, value: value,
) -> _Built:
    """Call `kind` with the arguments that YAML gives for it.

    `convert(annotation, value)` turns a nested form into what its parameter expects.

    Raises:
        ValueError: The arguments do not fit the signature, or `kind` refuses them.
    """
    signature, hints = _signature(kind)
    parameters = signature.parameters
    variadic = next((name for name, p in parameters.items() if p.kind is p.VAR_POSITIONAL), None)
    for key in keywords:
        if key not in parameters:
            message = f"unknown key {key!r}{nearest(key, list(parameters))}"
            raise ValueError(message)
    if variadic is not None and variadic in keywords:
        positional = keywords[variadic]
        if not isinstance(positional, list | tuple):
            message = f"{variadic}: {positional!r} must be a list"
            raise ValueError(message)
        keywords = {key: value for key, value in keywords.items() if key != variadic}
    names = [name for name, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    if variadic is not None:
        names = [variadic] * len(positional)
    if len(positional) > len(names):
        message = f"{list(positional)!r} has {len(positional)} values; expected {', '.join(names) or 'none'}"
        raise ValueError(message)
    arguments = [convert(hints.get(name), value) for name, value in zip(names, positional, strict=False)]
    converted = {key: convert(hints.get(key), value) for key, value in keywords.items()}
    try:
        signature.bind(*arguments, **converted)
    except TypeError as error:
        message = f"{error}; expected {', '.join(parameters) or 'nothing'}"
        raise ValueError(message) from None
    return kind(*arguments, **converted)


def dump(thing: Any) -> Any:
    """Return the YAML form of a registered part, such as a propagator: {name: {parameter: value}}."""
    signature, _ = _signature(thing.__class__)
    values = {}
    for name, parameter in signature.parameters.items():
        value = getattr(thing, name, None)
        if value != parameter.default:
            values[name] = _dump_value(value)
    return {thing.name: values} if values else thing.name


def shown(thing: Any) -> str:
    """Write a registered part as it is written in Python, leaving out what has its default value."""
    words = []
    signature, _ = _signature(thing.__class__)
    for name, parameter in signature.parameters.items():
        value = getattr(thing, name, parameter.default)
        if parameter.kind is parameter.VAR_POSITIONAL:
            words += [repr(member) for member in value]
        elif parameter.default is parameter.empty:
            words.append("..." if value is parameter.empty else repr(value))
        elif value != parameter.default:
            words.append(f"{name}={value!r}")
    return f"{type(thing).__name__}({', '.join(words)})"


def schema(kind: Callable[..., Any], nested: Mapping[type, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the JSON Schema of the YAML form of `kind`; `nested` has the schemas of the classes it may contain."""
    signature, hints = _signature(kind)
    texts = {name: {"description": text} for name, text in described(kind).items()}
    properties: dict[str, Any] = {}
    required = []
    first: list[dict[str, Any]] = []
    for name, parameter in signature.parameters.items():
        member = _schema_of(hints.get(name), nested)
        if parameter.kind is parameter.VAR_POSITIONAL:
            first = [{"type": "array", "items": member}]
            properties[name] = {**first[0], **texts.get(name, {})}
            continue
        properties[name] = {**member, **texts.get(name, {})}
        if parameter.default is parameter.empty:
            required.append(name)
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and not first:
            first = [member, {"type": "array"}]
    by_name = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return {"description": inspect.getdoc(kind) or "", "anyOf": [by_name, *first]}


def described(kind: Any) -> dict[str, str]:
    """Return what a docstring says of each argument or attribute, which the JSON Schema says of its key."""
    texts: dict[str, str] = {}
    inside, name = False, ""
    for line in (inspect.getdoc(kind) or "").splitlines():
        if line and not line.startswith(" "):
            inside = line in ("Args:", "Attributes:")
        elif inside and (begins := _DESCRIBED.match(line)):
            name = begins[1]
            texts[name] = begins[2]
        elif inside and line:
            texts[name] += f" {line.strip()}"
    return texts


def _schema_of(hint: Any, nested: Mapping[type, Mapping[str, Any]]) -> dict[str, Any]:
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return {"anyOf": [_schema_of(member, nested) for member in typing.get_args(hint)]}
    for kind, reference in nested.items():
        if hint is kind:
            return dict(reference)
    if typing.get_origin(hint) in (list, tuple):
        return {"type": "array"}
    return {"type": _SIMPLE[hint]} if hint in _SIMPLE else {}


def _dump_value(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_dump_value(member) for member in value]
    return dump(value) if isinstance(getattr(type(value), "name", None), str) else tree(value)


@cache
def _signature(kind: Any) -> tuple[inspect.Signature, dict[str, Any]]:
    signature = inspect.signature(kind)
    initializer = kind.__init__ if isinstance(kind, type) else kind  # type: ignore[misc]  # any class's will do
    try:
        return signature, typing.get_type_hints(initializer)
    except NameError:  # of another library, which imports some names only while types are checked
        return signature, {name: parameter.annotation for name, parameter in signature.parameters.items()}
