"""Tables of trained models: every point of fifteen grids of categorical and ordinal parameters, with its loss.

Made once by `training`, with the version of scikit-learn that each file names. A loss is worth log10(1 / share of the
table that is at least as good).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from propulate_like.problem.parameters import Choice, Ordinal
from propulate_like.problem.space import Space
from propulate_like_bench.quality.suites import Problem
from propulate_like_bench.quality.tables.grids import GRIDS

REQUIRES = ()
DIMENSIONS = ()
FOLDER = Path(__file__).parent / "losses"


def names() -> Sequence[str]:
    return list(GRIDS)


def problem(name: str, dimension: int, instance: int) -> Problem:
    values = GRIDS[name].values
    with np.load(FOLDER / f"{name}.npz") as file:
        losses = file["losses"].astype(float)
    ascending = np.sort(losses)
    steps = [math.prod(len(options) for options in list(values.values())[place + 1 :]) for place in range(len(values))]
    places = {
        parameter: {option: index * step for index, option in enumerate(options)}
        for (parameter, options), step in zip(values.items(), steps, strict=True)
    }

    def loss(params: Mapping[str, Any]) -> float:
        return float(losses[sum(places[parameter][option] for parameter, option in params.items())])

    def gain(lowest: float) -> float:
        as_good = int(np.searchsorted(ascending, lowest, side="right"))
        return math.log10(len(ascending) / as_good) if as_good else math.log10(len(ascending))

    return Problem(space(values), loss, gain)


def space(values: Mapping[str, Sequence[Any]]) -> Space:
    """Return the space of a grid: strings are options of a Choice, all else levels of an Ordinal."""
    return Space(
        {
            parameter: Choice(*options) if any(isinstance(option, str) for option in options) else Ordinal(*options)
            for parameter, options in values.items()
        }
    )


def version() -> str:
    digest = hashlib.sha256()
    for path in sorted(FOLDER.glob("*.npz")):
        digest.update(path.read_bytes())
    return f"tables {digest.hexdigest()[:16]}"
