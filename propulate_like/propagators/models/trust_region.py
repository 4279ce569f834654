"""A trust region with a Gaussian process inside: Eriksson et al. 2019, Scalable global optimization via TuRBO."""

from __future__ import annotations

import math

import numpy as np

from propulate_like.population.training_data import Array
from propulate_like.propagators.models.gaussian_process import GaussianProcess, Prior, doubted
from propulate_like.propagators.models.region import Region

_WIDEST, _NARROWEST, _JITTER = 1.6, 1e-8, 0.3  # of the region, in lengths
_MOST = 300  # points that the process learns from
# docs/decisions.md, "High losses get noise instead of a warp"
_DOUBTED_ABOVE = 0.4  # quantile of the losses
# docs/decisions.md, "Trust region and quadratic model share asks 60 to 40"
_OPTIMISM = 0.4  # standard deviations
_REFITTED = 0.4  # new points, as a share of those known
# docs/decisions.md, "The best candidate is refined by the gradient"
_CANDIDATES, _REFINED = 450, 150
_ROUNDS = (0.25, 0.06)  # spreads of refined candidates, in half-sides


class TrustRegionSearch:
    """Proposes points of the unit cube near the best one, where a Gaussian process of the points around it is low.

    The region shrinks after as many failures as there are coordinates, or `workers` (see `Region`).
    """

    def __init__(self, dimension: int, workers: int = 1) -> None:
        self._region: Region | None = None
        self._patience = max(dimension, workers)
        self._known = min(60 + 6 * dimension, _MOST)
        length = math.log(0.5 * math.sqrt(dimension / 5.0))
        doubt = min(1.0, math.sqrt(5.0 / dimension))  # as there are few results for each of many lengths
        self._process = GaussianProcess(np.arange(dimension), Prior((length, doubt)))
        self._fitted = self._unfitted = 0

    def propose(self, points: Array, losses: Array, new: int, generator: np.random.Generator) -> Array:
        """Return a point near the best of these rows, the last `new` of which are new since the last time.

        How far from it and how optimistic is drawn anew each time, as others may propose from the same points.
        """
        if self._region is None:
            self._region = Region(self._patience, _WIDEST, _NARROWEST, _JITTER, float(losses.min()))
        else:
            self._region.update(losses[len(losses) - new :].tolist())
        best = points[np.argmin(losses)]
        self._model(points, losses, best, new)
        half = self._region.half(self._process.lengths, generator)
        low, high = np.maximum(best - half, 0.0), np.minimum(best + half, 1.0)
        optimism = _OPTIMISM * abs(generator.standard_normal())
        candidates = self._candidates(best, low, high, generator)
        chosen, value = self._least(candidates, optimism)
        for spread in _ROUNDS:
            steps = generator.standard_normal((_REFINED, len(best))) * (spread * half)
            refined, refined_value = self._least(np.clip(chosen + steps, low, high), optimism)
            if refined_value < value:
                chosen, value = refined, refined_value
        return self._process.descend(chosen, low, high, optimism)

    def _model(self, points: Array, losses: Array, best: Array, new: int) -> None:
        """Condition the process on the rows nearest to the best, in its own metric; refit it from time to time."""
        if self._fitted and not new:
            return
        count = len(losses)
        if count > self._known:
            squares = np.sum(((points - best) / self._process.lengths) ** 2, axis=1)
            near = np.sort(np.argpartition(squares, self._known - 1)[: self._known])
            points, losses = points[near], losses[near]
        targets, doubts = doubted(losses, _DOUBTED_ABOVE)
        self._unfitted += new
        if not self._fitted or self._unfitted >= _REFITTED * min(self._fitted, self._known):
            self._process.fit(points, targets, best, doubts=doubts)
            self._fitted, self._unfitted = count, 0
        else:
            self._process.condition(points, targets, best, doubts)

    def _candidates(self, best: Array, low: Array, high: Array, generator: np.random.Generator) -> Array:
        """Draw points of the region: some differ from the best in all coordinates, some in half, some in about two."""
        dimension = len(best)
        count = _CANDIDATES * (1 if dimension <= 10 else 2)  # noqa: PLR2004
        drawn = low + generator.random((count, dimension)) * (high - low)
        shares = generator.choice([1.0, 0.5, min(2.0 / dimension, 1.0)], size=(count, 1))
        candidates: Array = np.where(generator.random((count, dimension)) < shares, drawn, best)
        return candidates

    def _least(self, candidates: Array, optimism: float) -> tuple[Array, float]:
        index, value = self._process.lowest(candidates, optimism)
        return candidates[index], value
