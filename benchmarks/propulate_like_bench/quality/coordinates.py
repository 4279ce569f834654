"""A space as peers see it: each parameter as a real number in [0, 1], or the number of one of its values.

Scales, steps and conditions stay on this side, so that all peers search exactly the same space.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from propulate_like.problem.parameters import Parameter
from propulate_like.problem.space import Space


class Coordinate(msgspec.Struct, frozen=True):
    """One parameter: real where `levels` is None, else a whole number below that; `ordered` as for parameters."""

    name: str
    levels: int | None
    ordered: bool

    def gene(self, value: float) -> float:
        return value if self.levels is None else (value + 0.5) / self.levels


def coordinates(space: Space) -> list[Coordinate]:
    """Return the coordinates of all parameters that have more than one value."""
    return [_coordinate(name, parameter) for name, parameter in space.items() if parameter.levels != 1]


def params(space: Space, values: Mapping[str, float]) -> dict[str, Any]:
    """Return the params of a point."""
    genes = {one.name: one.gene(values[one.name]) for one in coordinates(space) if one.name in values}
    return space.decode([genes.get(name, 0.5) for name in space])


def _coordinate(name: str, parameter: Parameter) -> Coordinate:
    logarithmic = getattr(parameter, "log", False)  # values of which have unequal shares of [0, 1]
    return Coordinate(name, None if logarithmic else parameter.levels, parameter.ordered)
