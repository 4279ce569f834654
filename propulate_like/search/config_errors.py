"""The errors of a configuration: all of them are found, each a line with its place, in the file's order."""

from __future__ import annotations

import copy
import difflib
import re
from typing import Any

import msgspec

from propulate_like.evaluation.settings import refusal
from propulate_like.foundation.struct_forms import understood
from propulate_like.search import misplaced_keys
from propulate_like.search.config_places import keys_of
from propulate_like.search.specification import Settings

STAND_INS: dict[str, Any] = {"objective": "train.py:train", "budget": {"evaluations": 1}, "command": ["echo"]}
"""Valid values for keys that must be there, with which reading goes on where the file has none."""
_EXAMPLES = {"objective": "train.py:train", "budget": "{evaluations: 100}"}
_LATER = (1 << 30,)  # the position of what is not in the file


class ConfigError(ValueError):
    """A configuration that cannot work.

    The message has a line for each thing that is wrong, with the file, the place in it and what is valid.
    """


class ConfigErrors:
    """What is wrong with a configuration, as far as it has been read."""

    def __init__(self, source: str) -> None:
        """Begin with nothing wrong in the file `source`."""
        self.source = source
        self._lines: dict[str, tuple[int, ...]] = {}
        self._places: set[str] = set()
        self.data: Any = None

    def add(self, place: str, message: str, key: str = "") -> None:
        """Note what is wrong at a place such as budget.evaluations, or at a key in it; "" for the file as a whole.

        A key of the file that the message names first belongs to the place: timeout in evaluation: evaluation.timeout.
        """
        while place and (named := re.match(r"(\w+): ", message)) and named[1] in self._keys(place):
            place, message = f"{place}.{named[1]}", message[named.end() :]
            key = "" if key == named[1] else key
        self._places.add(place)
        self._lines.setdefault(
            f"{self.source}: {place}: {message}" if place else f"{self.source}: {message}", self._at(f"{place}.{key}")
        )

    def add_line(self, line: str) -> None:
        """Note what is wrong beside the file."""
        self._lines[line] = ()

    def concerns(self, *places: str) -> bool:
        """Return whether something is wrong at one of these places, or within it."""
        return any(
            wrong == place or wrong.startswith((f"{place}.", f"{place}[")) for place in places for wrong in self._places
        )

    def check(self) -> None:
        """Raise what was found.

        Raises:
            ConfigError: Something is wrong.
        """
        if self._lines:
            raise ConfigError("\n".join(sorted(self._lines, key=self._lines.__getitem__)))

    def _keys(self, place: str) -> list[Any]:
        """Return the keys of the mapping at a place in the file; none where there is no mapping."""
        inside = self.data
        for part in keys_of(self.data, place.split(".")):
            inside = inside.get(part) if isinstance(inside, dict) else None
        return list(inside) if isinstance(inside, dict) else []

    def _at(self, place: str) -> tuple[int, ...]:
        """Return where a place is in the file, as the numbers of its keys."""
        numbers: list[int] = []
        inside = self.data
        for part in keys_of(self.data, [part for part in re.sub(r"\[.*", "", place).split(".") if part]):
            if not isinstance(inside, dict) or part not in inside:
                return (*numbers, *_LATER)
            numbers.append(list(inside).index(part))
            inside = inside[part]
        return tuple(numbers)


def settings_from(data: dict[str, Any], errors: ConfigErrors) -> Settings:
    """Read settings; what is wrong is noted, and left out."""
    data = understood(copy.deepcopy(data), Settings)
    if data.get("budget") == {}:
        errors.add("budget", "empty: give evaluations, seconds, hours or target")
        data["budget"] = STAND_INS["budget"]
    while True:
        try:
            return msgspec.convert(data, Settings)
        except msgspec.ValidationError as error:
            text, _, where = str(error).partition(" - at `$")
            place = re.sub(r"^\.", "", where.rstrip("`"))
            refused = isinstance(error.__cause__, ValueError)  # by the part itself, not for its type
        keys = re.search(r"at `key` in `\$\.?(.*)`", text)
        place = keys[1] if keys else place
        unknown = re.search("unknown field `(.*)`", text)
        message = "every key must be a name" if keys else text if refused else _explained(text, place, data)
        errors.add(place, message, unknown[1] if unknown else "")
        _leave_out(data, place, text)


def _leave_out(data: dict[str, Any], place: str, text: str) -> None:
    """Take what is wrong at a place out of the data, or put a valid value there."""
    parts = [part for part in re.sub(r"\[.*", "", place).split(".") if part]
    unknown, missing = (re.search(f"{what} field `(.*)`", text) for what in ("unknown", "missing required"))
    inside: Any = data
    for part in parts if unknown or missing or "at `key`" in text else parts[:-1]:
        inside = inside[part]
    if unknown:
        del inside[unknown[1]]
        for name in ("command",) if place == "objective" else ("objective", "budget") if not place else ():
            meant = difflib.get_close_matches(unknown[1], [name]) or misplaced_keys.place_of(unknown[1], place) == name
            if name not in inside and meant:
                inside[name] = copy.copy(STAND_INS[name])
    elif missing:
        inside[missing[1]] = copy.copy(STAND_INS[missing[1]])
    elif "at `key`" in text:
        for key in [key for key in inside if not isinstance(key, str)]:
            del inside[key]
    elif parts[-1] in STAND_INS:
        inside[parts[-1]] = copy.copy(STAND_INS[parts[-1]])
    else:
        del inside[parts[-1]]
    if data.get("budget") == {}:
        data["budget"] = STAND_INS["budget"]


def _explained(text: str, place: str, data: dict[str, Any]) -> str:
    """Return what msgspec's `text` says of the value at a place, with what would be valid."""
    unknown = re.search(r"unknown field `(.*)`", text)
    missing = re.search(r"missing required field `(.*)`", text)
    if unknown:
        inside = data[place] if place else data
        return misplaced_keys.explained(unknown[1], inside[unknown[1]], place)
    if missing:
        return f"the key {missing[1]!r} is missing: add `{missing[1]}: {_EXAMPLES.get(missing[1], '...')}`"
    value: Any = data
    for part in filter(None, re.sub(r"\[.*", "", place).split(".")):
        value = value.get(part) if isinstance(value, dict) else value
    return refusal(re.sub(r"^(evaluation|budget)\.|\[.*", "", place), value, text)
