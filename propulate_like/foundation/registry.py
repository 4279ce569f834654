"""Registries: the parts of one kind, such as propagators, by the names that they have in YAML."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from propulate_like.foundation import declarations
from propulate_like.foundation.console import say
from propulate_like.foundation.declarations import nearest
from propulate_like.foundation.entry_points import EntryPoints

Part = TypeVar("Part")


def snake_case(name: str) -> str:
    """Return a class's name as it is written in YAML: `SelectBest` as select_best."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def register(parts: dict[str, type[Part]], kind: str, name: str, part: type[Part]) -> None:
    """Add a class to those of a kind; one that is defined anew, at the same place, takes its own name again.

    Raises:
        ValueError: Another class has the name.
    """
    taken = parts.get(name)
    if taken is not None and (taken.__module__, taken.__qualname__) != (part.__module__, part.__qualname__):
        message = f"the {kind} name {name!r} is taken by {taken.__module__}.{taken.__qualname__}"
        raise ValueError(message)
    parts[name] = part


class Registry(Generic[Part]):
    """Classes of one kind by name.

    Classes register themselves when they are defined. What other distributions declare as entry points of `group` is
    imported when its name is asked for, or all of it for the schema.
    """

    def __init__(self, kind: str, group: str, *, term: str = "", example: str) -> None:
        """Make an empty registry.

        Args:
            kind: What one of its classes is called, such as "propagator".
            group: The entry points' group.
            term: What a form in YAML is called, if not as the class is.
            example: What a form in YAML may be, for messages.
        """
        self._kind, self._term, self._example = kind, term or kind, example
        self._parts: dict[str, type[Part]] = {}
        self._declared = EntryPoints(kind, group)

    def register(self, name: str, part: type[Part]) -> None:
        """Add a class; one that is defined anew, at the same place, takes its own name again.

        Raises:
            ValueError: Another class has the name.
        """
        register(self._parts, self._kind, name, part)

    def __contains__(self, name: object) -> bool:
        """Return whether the name is registered or declared, importing nothing."""
        return name in self._parts or name in self._declared.names()

    def __iter__(self) -> Iterator[str]:
        """Yield all names in alphabetical order, those that are declared only too, importing nothing."""
        return iter(sorted({*self._parts, *self._declared.names()}))

    def __getitem__(self, name: str) -> type[Part]:
        """Return the class of that name.

        Raises:
            ValueError: There is none, or what declares it cannot be imported. The message is one line.
        """
        return self._parts[name] if name in self._parts else self._load(name)

    def read(self, form: Any, convert: Callable[[Any, Any], Any] = lambda _, value: value) -> Part:
        """Build a part from its form in YAML: a name, or {name: arguments}.

        Args:
            form: What YAML has.
            convert: Turns an argument into what its parameter, given by its annotation, expects.

        Raises:
            ValueError: The form is none of a part. The message is one line.
        """
        if isinstance(form, str):
            form = {form: None}
        if not isinstance(form, Mapping) or len(form) != 1:
            message = f"{form!r} must be {self._example}"
            raise ValueError(message)
        ((name, arguments),) = form.items()
        part = self[name]
        keywords: Mapping[str, Any] = {}
        positional: list[Any] = []
        if isinstance(arguments, Mapping):
            if self._is_part(arguments, part):
                positional = [arguments]
            else:
                keywords = arguments
        elif arguments is not None:
            positional = arguments if isinstance(arguments, list) else [arguments]
        try:
            return declarations.build(part, positional, keywords, convert)
        except ValueError as error:
            message = f"{name}: {error}"
            raise ValueError(message) from None

    def schema(self, nested: Mapping[type, Mapping[str, Any]] | None = None) -> list[dict[str, Any]]:
        """Return the JSON Schemas of all parts: by name alone, and with arguments.

        What cannot be imported is left out, with a line on standard error.

        Args:
            nested: The schemas of the classes that a part may contain.
        """
        for name in self._declared.names():
            try:
                self._load(name)
            except ValueError as error:
                say(str(error))
        named = [
            _named(name, declarations.schema(part, nested or {})) for name, part in sorted(self._parts.items())
        ]  # fmt: skip
        return [{"enum": sorted(self._parts)}, *named]

    def _is_part(self, arguments: Mapping[Any, Any], part: type[Part]) -> bool:
        """Return whether arguments are the form of another part, rather than parameters and their values."""
        return len(arguments) == 1 and next(
            key not in inspect.signature(part).parameters and key in self for key in arguments
        )

    def _load(self, name: str) -> type[Part]:
        """Import the class that a distribution declares.

        Raises:
            ValueError: None does, or the class is none of this registry.
        """
        loaded: type[Part] | None = self._declared.load(name)
        if loaded is None:
            message = f"unknown {self._term} {name!r}{nearest(name, list(self))}"
            raise ValueError(message)
        if self._parts.get(name) is not loaded:
            message = f"what {self._declared.origin(name)} declares as {name!r} is no {self._kind} of that name"
            raise ValueError(message)
        return loaded


def _named(name: str, form: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {name: form}, "required": [name], "additionalProperties": False}
