"""A Gaussian process in a trust region.

Eriksson et al. 2019, Scalable global optimization via local Bayesian optimization (TuRBO).
"""

from __future__ import annotations

import math

import numpy as np

from propulate_like.population.training_data import Array
from propulate_like.propagators.models.feasibility import ConstraintProcesses, Known
from propulate_like.propagators.models.gaussian_process import GaussianProcess, Prior, noisy_targets
from propulate_like.propagators.models.region import Region

_WIDEST, _NARROWEST, _JITTER = 1.6, 1e-8, 0.3  # of the region, in length scales
_MOST = 300  # the largest number of points that the process is conditioned on
# docs/decisions.md, "High losses get noise instead of a warp"
_NOISY_ABOVE = 0.4  # quantile of the losses above which they have extra noise
# docs/decisions.md, "Trust region and quadratic model share asks 60 to 40"
_OPTIMISM = 0.4  # standard deviations
_REFITTED = 0.4  # new points before the next fit, as a share of the known ones
# docs/decisions.md, "The best candidate is refined by the gradient"
_CANDIDATES, _REFINED = 450, 150
_ROUNDS = (0.25, 0.06)  # standard deviations of refined candidates, in half-sides of the region


class TrustRegionSearch:
    """A search in the unit cube: it proposes points near the best one where a Gaussian process is low."""

    def __init__(self, dimension: int, workers: int = 1) -> None:
        """Start a search.

        Args:
            dimension: The number of coordinates, d.
            workers: The number of ranks. The region shrinks after as many failures as the larger of the two numbers.
        """
        self._region: Region | None = None
        self._patience = max(dimension, workers)
        self._known = min(60 + 6 * dimension, _MOST)
        length = math.log(0.5 * math.sqrt(dimension / 5.0))
        deviation = min(1.0, math.sqrt(5.0 / dimension))  # many length scales leave few results for each
        prior = Prior((length, deviation))
        self._process = GaussianProcess(np.arange(dimension), prior)
        self._feasibility = ConstraintProcesses(lambda: GaussianProcess(np.arange(dimension), prior))
        self._fitted = self._unfitted = 0

    def propose(self, known: Known, new: int, generator: np.random.Generator) -> Array:
        """Return a point (d,) near the best one.

        The radius and the optimism are random each time, as other ranks may propose from the same points.

        Args:
            known: The known points.
            new: The number of last rows that are new since the last call.
            generator: The random generator.
        """
        merits = known.merits
        if self._region is None:
            self._region = Region(self._patience, _WIDEST, _NARROWEST, _JITTER, float(merits.min()))
        else:
            self._region.update(merits[len(merits) - new :].tolist())
        best = known.points[np.argmin(merits)]
        self._model(known, best, new)
        half = self._region.half(self._process.lengths, generator)
        low, high = np.maximum(best - half, 0.0), np.minimum(best + half, 1.0)
        optimism = _OPTIMISM * abs(generator.standard_normal())
        constrained = known.constraints.shape[1] > 0
        least = self._least
        if constrained:
            self._feasibility.draw(generator)
            least = self._least_feasible
        candidates = self._candidates(best, low, high, generator)
        chosen, value = least(candidates, optimism)
        for spread in _ROUNDS:
            steps = generator.standard_normal((_REFINED, len(best))) * (spread * half)
            refined, refined_value = least(np.clip(chosen + steps, low, high), optimism)
            if refined_value < value:
                chosen, value = refined, refined_value
        if not constrained:
            return self._process.descend(chosen, low, high, optimism)
        refined = self._feasibility.descend(self._process, chosen, low, high, optimism)
        return refined if least(refined[None, :], optimism)[1] < value else chosen

    def _model(self, known: Known, best: Array, new: int) -> None:
        """Condition the process on the points nearest to the best one, in its own metric; refit it now and then."""
        if self._fitted and not new:
            return
        count = len(known.points)
        if count > self._known:
            squares = np.sum(((known.points - best) / self._process.lengths) ** 2, axis=1)
            known = known.rows(np.sort(np.argpartition(squares, self._known - 1)[: self._known]))
        points, constrained = known.points, known.constraints.shape[1] > 0
        center = float(known.losses[np.argmin(known.merits)]) if constrained else None
        targets, extra_noise = noisy_targets(known.losses, _NOISY_ABOVE, center)
        self._unfitted += new
        fit = not self._fitted or self._unfitted >= _REFITTED * min(self._fitted, self._known)
        if fit:
            self._process.fit(points, targets, best, extra_noise=extra_noise)
            self._fitted, self._unfitted = count, 0
        else:
            self._process.condition(points, targets, best, extra_noise)
        if constrained:
            self._feasibility.learn(points, known.constraints, best, fit=fit)

    def _candidates(self, best: Array, low: Array, high: Array, generator: np.random.Generator) -> Array:
        """Draw points (n, d) of the region: some differ from the best in all coordinates, some in half, some in two."""
        dimension = len(best)
        count = _CANDIDATES * (1 if dimension <= 10 else 2)  # noqa: PLR2004
        drawn = low + generator.random((count, dimension)) * (high - low)
        shares = generator.choice([1.0, 0.5, min(2.0 / dimension, 1.0)], size=(count, 1))
        candidates: Array = np.where(generator.random((count, dimension)) < shares, drawn, best)
        return candidates

    def _least(self, candidates: Array, optimism: float) -> tuple[Array, tuple[float, float]]:
        """Return the candidate with the lowest confidence bound, and 0 and that bound."""
        index, value = self._process.lowest(candidates, optimism)
        return candidates[index], (0.0, value)

    def _least_feasible(self, candidates: Array, optimism: float) -> tuple[Array, tuple[float, float]]:
        """Return the candidate with the lowest bound of those expected to be feasible, and its violation and bound.

        Where none is, it is the one with the lowest expected violation.
        """
        violation = self._feasibility.violation(candidates)
        mean, deviation = self._process.predict(candidates)
        bounds = mean - optimism * deviation
        index = int(np.lexsort((bounds, violation))[0])
        return candidates[index], (float(violation[index]), float(bounds[index]))
