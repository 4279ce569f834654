"""bbob-mixint (Tusar et al. 2019): in each function, four of five variables are whole numbers of 2, 4, 8 or 16 values.

Its optima are not public, so contestants are compared by their ranks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from propulate_like.problem.parameters import Float, Int, Parameter
from propulate_like.problem.space import Space
from propulate_like_bench.quality.suites import Problem

REQUIRES = ("coco-experiment",)
DIMENSIONS = (5, 10, 20, 40)


def names() -> Sequence[str]:
    return [f"f{number}" for number in range(1, 25)]


def problem(name: str, dimension: int, instance: int) -> Problem:
    import cocoex

    only = f"dimensions:{dimension} function_indices:{name[1:]}"
    suite = cocoex.Suite("bbob-mixint", f"instances:{instance}", only)
    function = suite.get_problem(0)
    whole = function.number_of_integer_variables
    bounds = zip(function.lower_bounds, function.upper_bounds, strict=True)
    parameters: dict[str, Parameter] = {
        f"x{number}": Int(int(low), int(high)) if number < whole else Float(float(low), float(high))
        for number, (low, high) in enumerate(bounds)
    }

    def loss(params: Mapping[str, Any], _suite: object = suite) -> float:  # whose memory the function lies in
        return float(function(list(params.values())))

    return Problem(Space(parameters), loss)


def version() -> str:
    return f"coco-experiment {metadata.version('coco-experiment')}"
