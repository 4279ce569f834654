"""Strict YAML: numbers and booleans of version 1.2, no duplicate keys, no tags, and aliases with a limit of size."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn

import yaml

LARGEST_BYTES = 1 << 20
"""The largest configuration that is read, in bytes."""
_DEEPEST = 50  # levels of nesting
_TOO_DEEP = f"nested more than {_DEEPEST} deep"
_BREAKS = set("\x85\u2028\u2029\ufeff")

# docs/decisions.md, "YAML without surprises"
_RESOLVERS = (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^[-+]?(?:0o[0-7]+|0x[0-9a-fA-F]+|[0-9]+)$", "-+0123456789"),
    (
        "float",
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        "-+0123456789.",
    ),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("merge", r"^<<$", "<"),
)
_MERGE = "tag:yaml.org,2002:merge"


class _Size(NamedTuple):
    """The size of a node with its aliases written out: characters, and levels of nesting."""

    characters: int
    levels: int


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses tags, deep nesting, duplicate keys, very long numbers, and aliases that grow large."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 (PyYAML's own way)

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._copied = 0
        self._sizes: dict[yaml.Node, _Size] = {}

    def document(self) -> Any:
        """Return the values of the one document, in which nothing is shared."""
        node = self.get_single_node()
        return None if node is None else self._value(node)

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]  # PyYAML's stubs leave it out
        if isinstance(event, yaml.AliasEvent):
            repeated: Any = super().compose_node(parent, index)
            self._take_alias(event, repeated)
            return repeated
        if event.tag not in (None, "!", "tag:yaml.org,2002:str"):
            _refuse(f"the tag {event.tag!r:.80} is not supported: leave it out", event)
        if event.anchor in self.anchors:
            _refuse(f"the anchor &{event.anchor} is given twice", event)
        self._depth += 1
        if self._depth > _DEEPEST:
            _refuse(_TOO_DEEP, event)
        node: Any = super().compose_node(parent, index)
        self._depth -= 1
        inside = [] if isinstance(node, yaml.ScalarNode) else [self._sizes[member] for member in _members(node)]
        own = len(node.value) if isinstance(node, yaml.ScalarNode) else 0
        levels = 1 + max((size.levels for size in inside), default=0)
        self._sizes[node] = _Size(1 + own + sum(size.characters for size in inside), levels)
        return node

    def _take_alias(self, event: yaml.AliasEvent, node: yaml.Node) -> None:
        """Count what an alias repeats.

        Raises:
            yaml.MarkedYAMLError: It is within what it repeats, or that is too deep or too much.
        """
        size = self._sizes.get(node)
        if size is None:
            _refuse(f"the alias *{event.anchor} is within what it repeats", event)
        if self._depth + size.levels > _DEEPEST:
            _refuse(_TOO_DEEP, event)
        self._copied += size.characters
        if self._copied > LARGEST_BYTES:
            _refuse(f"what aliases repeat has more than {LARGEST_BYTES} characters at *{event.anchor}", event)

    def _value(self, node: yaml.Node) -> Any:
        """Return the value of a node, made anew for each alias."""
        if isinstance(node, yaml.ScalarNode):
            return self.construct_object(node)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(member) for member in node.value]
        merged: dict[Any, Any] | None = None
        own: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node)
            is_merge = key_node.tag == _MERGE
            if merged is not None if is_merge else key in own:
                _refuse(f"the key {key!r} is given twice", key_node)
            if is_merge:
                merged = self._merged(value_node)
            else:
                own[key] = self._value(value_node)
        return own if merged is None else merged | own

    def _key(self, node: yaml.Node) -> Any:
        key = self._value(node)
        if not isinstance(key, str | int | float | bool | None):
            _refuse(f"{node.value!r:.80} cannot be a key", node)
        return key

    def _merged(self, node: yaml.Node) -> dict[Any, Any]:
        """Return what a merge key brings: a mapping, or several, of which the first that has a key gives its value."""
        merged: dict[Any, Any] = {}
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(source, yaml.MappingNode):
                _refuse("<< must be a mapping, or a list of mappings, such as <<: *defaults", source)
            merged |= {key: value for key, value in self._value(source).items() if key not in merged}
        return merged

    def construct_yaml_merge(self, node: yaml.ScalarNode) -> str:
        return str(node.value)  # where it is no key

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        text = self.construct_scalar(node)
        base = 8 if "0o" in text else 16 if "0x" in text else 10
        try:
            return int(text, base)
        except ValueError:
            _refuse(f"{text[:20]}... is too long a number", node)


def _members(node: yaml.Node) -> Iterator[yaml.Node]:
    """Yield the nodes in a collection: members, or keys and values."""
    for member in node.value:
        if isinstance(member, tuple):
            yield from member
        else:
            yield member


def _refuse(problem: str, place: Any) -> NoReturn:
    """Raise the error of what is at an event or a node."""
    raise yaml.MarkedYAMLError(problem=problem, problem_mark=place.start_mark) from None


class _Dumper(yaml.SafeDumper):
    """A safe dumper that indents lists and writes values out instead of aliases."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 (PyYAML's own way)

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    """Write a text in quotes where it has line breaks that PyYAML would write out, and read as others."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if _BREAKS & set(text) else None)


_Dumper.add_representer(str, _text)
for _name, _pattern, _first in _RESOLVERS:
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(_pattern), list(_first))
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.add_constructor(_MERGE, _Loader.construct_yaml_merge)


def load(content: bytes) -> Any:
    """Parse a YAML document in UTF-8.

    Raises:
        ValueError: The document is larger than `LARGEST_BYTES`, is not UTF-8 or not well formed, or uses what is not
            supported. The message names line and column.
    """
    if len(content) > LARGEST_BYTES:
        message = f"{len(content)} bytes are more than the {LARGEST_BYTES} that a configuration may have"
        raise ValueError(message)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"not UTF-8: byte {error.start} is 0x{content[error.start]:02x}; save the file as UTF-8"
        raise ValueError(message) from None
    try:
        return _Loader(text).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        message = where + " ".join(str(error.problem or error.context).split())
        raise ValueError(message) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        message = " ".join(str(error).split())[:200]
        raise ValueError(message) from None


def dump(data: Any) -> str:
    """Return data as YAML that `load` reads back."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)
    return text
