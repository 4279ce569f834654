"""Quality at equal evaluations: the instrument of `propulate_like_bench.quality`, on instances kept for reporting."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from typing import Annotated, Any

import msgspec

from propulate_like.foundation.declarations import nearest
from propulate_like_bench.comparison import measures
from propulate_like_bench.comparison.measures import Missing
from propulate_like_bench.comparison.quality_section import section
from propulate_like_bench.quality import cells as instrument
from propulate_like_bench.quality.contestants import entry
from propulate_like_bench.quality.suites import suite

__all__ = ["PARALLEL", "Settings", "cells", "measure", "section"]

PARALLEL = True
Count = Annotated[int, msgspec.Meta(ge=1)]
Naturals = Annotated[list[Annotated[int, msgspec.Meta(ge=0)]], msgspec.Meta(min_length=1)]


class Grid(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Contestants on all problems of a suite, or some, with equal evaluations; `dimension` where the suite has it."""

    title: str
    suite: str
    evaluations: Count
    contestants: Annotated[list[str], msgspec.Meta(min_length=1)]
    dimension: int = 0
    problems: list[str] | None = None
    instances: Naturals = msgspec.field(default_factory=lambda: [0])
    seeds: Naturals = msgspec.field(default_factory=lambda: [0])

    def cells(self, workers: int) -> list[instrument.Cell]:
        """Return all of the first seed and instance, then of the next."""
        return [
            instrument.Cell(
                self.suite, problem, self.dimension, instance, seed, workers, self.evaluations, contestant
            )
            for seed in self.seeds
            for instance in self.instances
            for problem in self.problems or suite(self.suite).names()
            for contestant in self.contestants
        ]  # fmt: skip


class Settings(measures.Settings, frozen=True, kw_only=True):
    """What the YAML has; the first contestant of a grid is whom the others are compared with."""

    workers: Count
    grids: Annotated[list[Grid], msgspec.Meta(min_length=1)]


def cells(settings: Settings) -> list[measures.Cell]:
    """Return the cells of all grids, those of first seeds first."""
    for place, grid in enumerate(settings.grids):
        try:
            _check(grid)
        except ValueError as error:
            message = f"grids[{place}]: {error}"
            raise ValueError(message) from None
    found = [(grid.seeds.index(cell.seed), cell) for grid in settings.grids for cell in grid.cells(settings.workers)]
    return [msgspec.to_builtins(cell) for _, cell in sorted(found, key=lambda each: each[0])]


def _check(grid: Grid) -> None:
    problems = suite(grid.suite)
    for contestant in grid.contestants:
        entry(contestant)
    for name in grid.problems or ():
        if name not in problems.names():
            message = f"problems: unknown problem {name!r}{nearest(name, problems.names())}"
            raise ValueError(message)
    valid: Sequence[int] = problems.DIMENSIONS or (0,)
    if grid.dimension not in valid:
        message = f"dimension: {grid.dimension} is none of {', '.join(map(str, valid))}, which suite {grid.suite} has"
        raise ValueError(message)


def measure(cell: measures.Cell) -> dict[str, Any]:
    """Search once; return the course."""
    one = msgspec.convert(cell, instrument.Cell)
    try:
        suite(one.suite).version()
    except metadata.PackageNotFoundError:
        message = f"suite {one.suite}: pip install {' '.join(suite(one.suite).REQUIRES)}"
        raise Missing(message) from None
    try:
        instrument.versions(one)
    except (metadata.PackageNotFoundError, FileNotFoundError):
        message = f"{one.contestant}: {entry(one.contestant).install}"
        raise Missing(message) from None
    return dict(msgspec.to_builtins(instrument.run(one)))
