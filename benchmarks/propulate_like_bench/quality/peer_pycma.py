"""pycma, asked for one point at a time, and told of each generation's number of results as they end."""

from __future__ import annotations

import sys
import warnings
from random import Random
from typing import Any

import numpy as np

from propulate_like_bench.quality.coordinates import Coordinate, coordinates, params
from propulate_like_bench.quality.workers import Contestant, Proposal, Setting

REVISION = 1
_SIGMA = 0.25  # of the box, as pycma's documentation recommends for an optimum anywhere in it


class Pycma(Contestant):
    """CMA-ES from the middle of the box; where it stops, it begins anew at a random point, with twice the population.

    Whole numbers are pycma's `integer_variables`, and those without an order too, for want of anything better.
    """

    def __init__(self, setting: Setting) -> None:
        self._space, self._coordinates = setting.space, coordinates(setting.space)
        self._generator = Random(f"{setting.seed}/pycma")
        self._low = [0.0 if one.levels is None else -0.499 for one in self._coordinates]
        self._high = [1.0 if one.levels is None else one.levels - 0.501 for one in self._coordinates]
        self._start([0.5 * (low + high) for low, high in zip(self._low, self._high)], None)

    def _start(self, middle: list[float], population: int | None) -> None:
        warnings.filterwarnings("ignore", module="cma")  # its remarks are for people who watch
        import cma

        options: dict[str, Any] = {
            "bounds": [self._low, self._high],
            "CMA_stds": [high - low for low, high in zip(self._low, self._high)],
            "integer_variables": [i for i, one in enumerate(self._coordinates) if one.levels is not None],
            "seed": self._generator.getrandbits(31) + 1,
            "verbose": -9,
        }
        if population is not None:
            options["popsize"] = population
        self._strategy = cma.CMAEvolutionStrategy(middle, _SIGMA, options)
        self._ended: list[tuple[Any, float]] = []

    def ask(self, worker: int) -> Proposal:
        if len(self._ended) >= self._strategy.popsize:
            self._learn()
        (point,) = self._strategy.ask(1)
        values = {one.name: _value(one, coordinate) for one, coordinate in zip(self._coordinates, point)}
        return Proposal(params(self._space, values), (self._strategy, point))

    def tell(self, worker: int, proposal: Proposal, loss: float, seconds: float, ended: float) -> None:
        strategy, point = proposal.handle
        if strategy is self._strategy:  # and not one that has begun anew since
            self._ended.append((point, loss if np.isfinite(loss) else sys.float_info.max))

    def _learn(self) -> None:
        strategy = self._strategy
        points, losses = zip(*self._ended[: strategy.popsize], strict=True)
        self._ended = self._ended[strategy.popsize :]
        strategy.tell(list(points), list(losses))
        if strategy.stop():
            middle = [self._generator.uniform(low, high) for low, high in zip(self._low, self._high)]
            self._start(middle, 2 * strategy.popsize)


def _value(coordinate: Coordinate, point: float) -> float:
    if coordinate.levels is None:
        return min(max(float(point), 0.0), 1.0)
    return min(max(round(float(point)), 0), coordinate.levels - 1)
