"""The 24 noiseless functions of BBOB (Hansen et al. 2009), on [-5, 5] in any dimension."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

import numpy as np

from propulate_like.problem.parameters import Float
from propulate_like.problem.space import Space
from propulate_like_bench.quality.scoring import decades
from propulate_like_bench.quality.suites import Problem

REQUIRES = ("ioh",)
DIMENSIONS = (2, 3, 5, 10, 20, 40)
_TYPICAL = 1001  # random points, of which the middle one is what gains are counted from


def names() -> Sequence[str]:
    return [f"f{number}" for number in range(1, 25)]


def problem(name: str, dimension: int, instance: int) -> Problem:
    import ioh

    number = int(name[1:])
    function = ioh.get_problem(number, instance, dimension, ioh.ProblemClass.BBOB)
    optimum = float(function.optimum.y)
    points = np.random.default_rng([number, instance, dimension]).uniform(-5.0, 5.0, (_TYPICAL, dimension))
    typical = float(np.median(function(points.tolist())))

    def loss(params: Mapping[str, Any]) -> float:
        return float(function(list(params.values())))

    space = Space({f"x{number}": Float(-5.0, 5.0) for number in range(dimension)})
    return Problem(space, loss, decades(typical, optimum))


def version() -> str:
    return f"ioh {metadata.version('ioh')}"
