"""Names of parameters: flat ones, such as model.lr, and the nested mappings in which parameters may be given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from propulate_like.foundation import values

Keys = tuple[str, ...]
"""The keys that lead to a parameter, from the outermost mapping on."""
_DEEPEST = 50  # levels of nesting


def flat_name(path: Keys) -> str:
    """Return the one name of what lies at a path: its keys, joined by dots."""
    return ".".join(path)


def flattened(given: Mapping[Any, Any], inside: Callable[[Any], Mapping[Any, Any] | None]) -> dict[Keys, Any]:
    """Return what nested mappings hold, by the paths to it, with names as Python has them in code.

    Args:
        given: The outermost mapping.
        inside: Returns the mapping that something in it is, or None where it stands for a parameter.

    Raises:
        ValueError: A key cannot be a name, a mapping is empty, or two things have the same flat name.
    """
    found: dict[Keys, Any] = {}
    names: set[str] = set()
    for path, member in _members(given, inside, ()):
        name = flat_name(path)
        if name in names:
            message = f"{name!r} names two parameters, as one is in a mapping of its own: rename one"
            raise ValueError(message)
        names.add(name)
        found[path] = member
    return found


def nested(members: Iterable[tuple[Keys, Any]]) -> dict[str, Any]:
    """Return things as nested mappings, by the paths to them: the reverse of `flattened`."""
    outermost: dict[str, Any] = {}
    for path, member in members:
        inside = outermost
        for key in path[:-1]:
            inside = inside.setdefault(key, {})
        inside[path[-1]] = member
    return outermost


def _members(
    given: Mapping[Any, Any], inside: Callable[[Any], Mapping[Any, Any] | None], outer: Keys
) -> Iterator[tuple[Keys, Any]]:
    """Yield each parameter with the path to it.

    Raises:
        ValueError: A key cannot be a name, two are the same, or a mapping is empty, or too deep.
    """
    if len(outer) > _DEEPEST:
        message = f"{outer[0]}: nested more than {_DEEPEST} deep"
        raise ValueError(message)
    if outer and not given:
        message = f"{flat_name(outer)}: {{}} has no parameter"
        raise ValueError(message)
    keys: set[str] = set()
    for key, member in given.items():
        name = _name(key)
        if name in keys:
            message = f"{key!r} and another parameter are both {name!r} in Python: rename one"
            raise ValueError(message)
        keys.add(name)
        more = inside(member)
        if more is None:
            yield (*outer, name), member
        else:
            yield from _members(more, inside, (*outer, name))


def _name(key: Any) -> str:
    """Return a key as Python has it in code.

    Raises:
        ValueError: It can be no name.
    """
    name = values.identifier(key)
    if not isinstance(name, str) or name != name.strip() or not name or not (name.isprintable() or name.isidentifier()):
        message = (
            f"{values.brief(key)} cannot be a parameter's name: it must be a text, without line breaks and without "
            "blanks at its ends"
        )
        raise ValueError(message)
    return name
