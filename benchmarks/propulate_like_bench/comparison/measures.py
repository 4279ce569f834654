"""What a comparison measures: the contract of the modules that do it, and which there are."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

import msgspec

from propulate_like_bench.comparison.page.section import Section

MEASURES = ("overhead", "quality", "training")

Cell = dict[str, Any]
"""All that decides a measurement, as JSON has it: contestant, setting, repetition or seed."""


class Missing(Exception):  # noqa: N818 (nothing has gone wrong)
    """A cell cannot be measured here; the message says what is missing, and how to get it."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every comparison's YAML has; a module's own Settings add to it.

    `minutes`: when they are over, no further cell is begun; the next call goes on. `cell_seconds`: how long the process
    of a cell may run. `quick`: what --quick puts in place of other keys.
    """

    measure: str
    title: str
    minutes: float
    cell_seconds: float = 120.0
    quick: Mapping[str, Any] = {}


class Result(msgspec.Struct, frozen=True):
    """A cell and what was measured; `missing` says why there is nothing."""

    cell: Cell
    measured: dict[str, Any] = {}
    missing: str = ""


class Measure(Protocol):
    """What a module that measures defines."""

    Settings: type[Settings]
    PARALLEL: bool
    """Whether its cells may run beside each other, as they do where nothing in them is timed."""

    def cells(self, settings: Any) -> list[Cell]:
        """Return all cells, in the order in which to measure them: all of the first repetition first.

        ValueError with the key at fault where settings cannot be.
        """

    def measure(self, cell: Cell) -> dict[str, Any]:
        """Measure a cell, in a fresh process; return what JSON can hold.

        Raises:
            Missing: It cannot run here.
        """

    def section(self, settings: Any, results: Sequence[Result]) -> Section:
        """Return what the results are; some cells may lack one."""


def measure_of(name: str) -> Measure:
    """Return the module of that name."""
    return cast("Measure", importlib.import_module(f"{__package__}.{name}"))
