"""Places in a configuration, such as space.model.lr: the keys that lead there, which may have dots themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

IGNORED = "x-"
"""The beginning of outermost keys that are not read, where anchors can stand."""
_KEY = r"""(?:"[^"]*"|'[^']*'|[^.="'][^.=]*)"""
_CHANGE = re.compile(rf"\s*({_KEY}(?:\.{_KEY})*)\s*=(.*)", re.DOTALL)


def split_change(change: str) -> tuple[list[str], str] | None:
    """Return the keys and the value of a change such as budget.evaluations=500, or None for what is no change.

    A key in quotes is one, whatever it has.
    """
    found = _CHANGE.fullmatch(change)
    if found is None:
        return None
    keys = [key.strip() for key in re.findall(_KEY, found[1])]
    return [key[1:-1] if key[0] in "\"'" else key for key in keys], found[2]


def keys_of(data: Any, parts: Sequence[str]) -> list[str]:
    """Return the keys that lead to a place in mappings.

    Parts that were separated by dots are one key where the mapping there has it: the longest that it has.

    Args:
        data: The outermost mapping.
        parts: The parts of the place.
    """
    keys: list[str] = []
    rest, inside = list(parts), data
    while rest:
        known = inside if isinstance(inside, dict) else {}
        count = next((n for n in range(len(rest), 0, -1) if ".".join(rest[:n]) in known), 1)
        keys.append(".".join(rest[:count]))
        inside, rest = known.get(keys[-1]), rest[count:]
    return keys
