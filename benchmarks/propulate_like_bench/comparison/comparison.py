"""A comparison: its config, read and checked."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from propulate_like.foundation import strict_yaml
from propulate_like.foundation.declarations import nearest
from propulate_like.search.config import ConfigError
from propulate_like_bench.comparison.measures import MEASURES, Cell, Measure, Settings, measure_of

_SHIPPED = files(__package__) / "configs"


def names() -> list[str]:
    """Return the comparisons that come with the package, in the order of the page."""
    shipped = {file.name.removesuffix(".yaml") for file in _SHIPPED.iterdir() if file.name.endswith(".yaml")}
    return [name for name in MEASURES if name in shipped]


def text_of(source: str) -> str:
    """Read a config that comes with the package, by its name, or a file.

    Raises:
        ConfigError: There is neither.
    """
    if source in names():
        return (_SHIPPED / f"{source}.yaml").read_text(encoding="utf-8")
    try:
        return Path(source).read_text(encoding="utf-8")
    except FileNotFoundError:
        message = f"{source}: neither a comparison nor a file{nearest(source, names())}"
        raise ConfigError(message) from None
    except (OSError, UnicodeDecodeError) as error:
        message = f"{source}: cannot be read: {error}"
        raise ConfigError(message) from None


class Comparison:
    """Settings, the module that measures them, and the cells they come to."""

    def __init__(self, source: str, text: str, *, quick: bool = False) -> None:
        """ConfigError in one line where the text is no comparison."""
        self.source, self.text, self.quick = source, text, quick
        self.name = Path(source).stem
        data = self._read()
        if quick:
            data |= data.get("quick") or {}
        self.measure: Measure = measure_of(data["measure"])
        try:
            self.settings: Settings = msgspec.convert(data, self.measure.Settings)
            self.cells: list[Cell] = self.measure.cells(self.settings)
        except msgspec.ValidationError as error:
            raise self._refusal(error) from None
        except ValueError as error:
            raise self._error(str(error)) from None

    @classmethod
    def named(cls, source: str, *, quick: bool = False) -> Comparison:
        """Read one that comes with the package, or a file."""
        return cls(source, text_of(source), quick=quick)

    def _read(self) -> dict[str, Any]:
        try:
            data = strict_yaml.load(self.text.encode())
        except ValueError as error:
            raise self._error(str(error)) from None
        if not isinstance(data, dict) or "measure" not in data:
            message = f"a comparison begins with `measure: NAME`, which is one of {', '.join(MEASURES)}"
            raise self._error(message)
        if data["measure"] not in MEASURES:
            known = ", ".join(MEASURES)
            message = f"measure: {data['measure']!r:.60} is none of {known}{nearest(str(data['measure']), MEASURES)}"
            raise self._error(message)
        if not isinstance(data.get("quick", {}), dict):
            message = f"quick: a mapping of keys to change, not {data['quick']!r:.60}"
            raise self._error(message)
        return data

    def _refusal(self, error: msgspec.ValidationError) -> ConfigError:
        text, _, where = str(error).partition(" - at `$")
        place = where.strip("`").removeprefix(".")
        unknown = re.search(r"unknown field `(.*)`", text)
        if unknown:
            text = f"unknown key {unknown[1]!r}"
            if not place:
                text += nearest(unknown[1], self.measure.Settings.__struct_fields__)
        missing = re.search(r"missing required field `(.*)`", text)
        if missing:
            text = f"the key {missing[1]!r} is missing"
        return self._error(f"{place}: {text}" if place else text)

    def _error(self, message: str) -> ConfigError:
        return ConfigError(f"{self.source}: {message}")
