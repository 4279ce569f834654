"""What a library that reads values says of their types, in the words of who writes YAML."""

from __future__ import annotations

import re

_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping",
}
_BOUNDS = {">=": "of at least", ">": "above", "<=": "of at most", "<": "below"}


def in_words(text: str) -> str:
    """Return msgspec's message about a value, such as "Expected `int | null`, got `str`", in plain words."""
    text = re.sub(r", got `[^`]*`", "", text)
    text = re.sub(r"`([^`]*)`", lambda found: _types(found[1]), text)
    text = text.replace(" of length >= 1", ", not an empty one")
    text = re.sub(r" (>=|>|<=|<) (-?[\d.]+?)(?:\.0)?(?![\d.])", lambda found: f" {_BOUNDS[found[1]]} {found[2]}", text)
    return text[:1].lower() + text[1:]


def _types(names: str) -> str:
    """Return types such as int | null in words; that there may be none goes without saying."""
    kinds = [name for name in names.split(" | ") if name != "null"]
    if "float" in kinds:
        kinds = [name for name in kinds if name != "int"]
    return " or ".join(_WORDS.get(name, name) for name in kinds)
