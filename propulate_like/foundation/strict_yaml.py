"""Strict YAML: numbers and booleans of version 1.2, no duplicate keys, no aliases, no tags."""

from __future__ import annotations

import re
from typing import Any

import yaml

LARGEST_BYTES = 1 << 20
"""The largest configuration that is read, in bytes."""
_DEEPEST = 50  # levels of nesting
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
)


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses aliases, tags, deep nesting, duplicate keys and very long numbers."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 (PyYAML's own way)

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]  # PyYAML's stubs leave it out
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            message = f"the alias *{event.anchor} is not supported: write the value out"
            raise yaml.MarkedYAMLError(problem=message, problem_mark=mark)
        if event.tag not in (None, "!", "tag:yaml.org,2002:str"):
            message = f"the tag {event.tag!r:.80} is not supported: leave it out"
            raise yaml.MarkedYAMLError(problem=message, problem_mark=mark)
        self.depth = getattr(self, "depth", 0) + 1
        if self.depth > _DEEPEST:
            message = f"nested more than {_DEEPEST} deep"
            raise yaml.MarkedYAMLError(problem=message, problem_mark=mark)
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str | int | float | bool | None):
                problem = f"{key_node.value!r} cannot be a key"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key_node.start_mark)
            if key in seen:
                problem = f"the key {key!r} is given twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        text = self.construct_scalar(node)
        base = 8 if "0o" in text else 16 if "0x" in text else 10
        try:
            return int(text, base)
        except ValueError:
            problem = f"{text[:20]}... is too long a number"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from None


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
        return yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader)
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
