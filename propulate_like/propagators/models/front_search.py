"""Bayesian optimization of several losses, with parameters of any kind, and perhaps with constraints."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from propulate_like.population.training_data import Array
from propulate_like.propagators.models import candidates
from propulate_like.propagators.models.encoding import Encoding
from propulate_like.propagators.models.feasibility import ConstraintProcesses, violations
from propulate_like.propagators.models.gaussian_process import GaussianProcess, Prior, warped
from propulate_like.propagators.models.mixed_search import Fresh, fresh_rows

_LENGTH, _NOISE = 0.6, -6.0  # prior means, as in `MixedSearch`
_LINEAR = 0.8  # quantile of each loss above which it counts by its logarithm
_STEPS = 10  # of a fit
_NEW = 0.4  # new points before the next fit, as a share of the rows
_FEW = 3  # best points whose neighbours are all candidates
_DRAWN, _MUTANTS, _LOCAL = 200, 200, 200  # candidates
_NARROW, _WIDE = 0.02, 1.0  # half-sides of the boxes around the best point, in length scales
_ROUNDS = (0.3, 0.1, 0.03)  # half-sides of the boxes around the best candidate, as shares of these
_WEIGHTS = 4  # sets of weights of the losses, of which a proposal uses that with the largest gain
_EVEN = 0.5  # parameter of their Dirichlet distribution: below 1, single losses are more frequent
_SUM = 0.05  # weight of the sum in the scalarization


class FrontSearch:
    """A Gaussian process of each loss, and the search for points that enlarge the front.

    Each proposal draws weights of the losses, and minimizes their augmented Chebyshev scalarization, in which each loss
    is its confidence bound: compare Knowles 2006, ParEGO: A hybrid algorithm with on-line landscape approximation. The
    processes are those of the losses and not of the scalarization, so that one fit serves all weights. Random weights
    let ranks with the same results search different parts of the front.
    """

    def __init__(
        self, encoding: Encoding, losses: int, rows: int, boldness: float, generator: np.random.Generator
    ) -> None:
        """Start a search.

        Args:
            encoding: The encoding of the space.
            losses: The number of losses.
            rows: The number of points to which the processes are fitted.
            boldness: The weight of the standard deviation in the confidence bound.
            generator: The random generator.
        """
        self._encoding, self._rows, self._boldness, self._generator = encoding, rows, boldness, generator
        count = len(encoding.levels)
        prior = Prior((math.log(_LENGTH) + 0.5 * math.log(count / 5.0), 1.0), (_NOISE, 2.0))
        make: Callable[[], GaussianProcess] = lambda: GaussianProcess(encoding.groups, prior)  # noqa: E731
        self._models = [make() for _ in range(losses)]
        self._feasibility = ConstraintProcesses(make)
        self._constrained = False
        self._fitted = self._learned = 0
        self._points: Array = np.empty((0, count))
        self._targets: Array = np.empty((0, losses))
        self._violation: Array = np.empty(0)
        self._known: set[bytes] = set()

    def fit(self, points: Array, losses: Array, constraints: Array, total: int) -> None:
        """Fit or condition the processes, where there are new points.

        Args:
            points: The known points in canonical form, shape (n, d), oldest first.
            losses: Their losses, shape (n, k), NaN for failures.
            constraints: Their constraints, shape (n, m), in units of their own.
            total: The number of points so far, including those that are no longer known.
        """
        new = total - self._learned
        if not new:
            return
        self._learned = total
        self._known.update(row.tobytes() for row in points[-new:])
        sound = np.isfinite(losses).all(axis=1)
        points, losses, constraints = points[sound], losses[sound], constraints[sound]
        if len(points) > self._rows:
            kept = _foremost(losses, violations(constraints), self._rows)
            points, losses, constraints = points[kept], losses[kept], constraints[kept]
        self._points, self._violation = points, violations(constraints)
        self._targets = np.column_stack([warped(column, _LINEAR) for column in losses.T])
        rows = self._encoding.coordinates(*self._encoding.canonical(points))
        center = rows.mean(axis=0)
        fit = not self._fitted or total - self._fitted > _NEW * len(rows)
        self._fitted = total if fit else self._fitted
        for model, targets in zip(self._models, self._targets.T):
            if fit:
                model.fit(rows, targets, center, _STEPS)
            else:
                model.condition(rows, targets, center)
        self._constrained = constraints.shape[1] > 0
        if self._constrained:
            self._feasibility.learn(rows, constraints, center, fit=fit)

    def propose(self, fresh: Fresh) -> Array:
        """Return the best candidate (d,) that is fresh, or the best of all where none is."""
        encoding, generator = self._encoding, self._generator
        weights = generator.dirichlet(np.full(len(self._models), _EVEN), _WEIGHTS)
        optimism = self._boldness * abs(generator.standard_normal())
        self._feasibility.draw(generator)
        feasible = self._targets[self._violation == 0.0] if (self._violation == 0.0).any() else self._targets
        front = feasible[_dominators(feasible, np.zeros(len(feasible))) == 0]
        low, span = front.min(axis=0), np.maximum(np.ptp(front, axis=0), 1e-3)
        reached = _scalarized((self._targets - low) / span, weights)
        reached[self._violation > self._violation.min()] = np.inf
        best = self._points[reached.argmin(axis=0)]
        lowest = reached.min(axis=0)
        lengths = np.maximum.reduceat(self._models[0].lengths, np.flatnonzero(np.diff(encoding.groups, prepend=-1)))
        half = lengths * math.exp(generator.uniform(math.log(_NARROW), math.log(_WIDE)))

        def least(genomes: Array) -> tuple[Array, tuple[float, float]]:
            genomes, levels = encoding.canonical(genomes)
            kept = fresh_rows(encoding, genomes, levels, self._known, fresh)
            if kept.any():
                genomes, levels = genomes[kept], levels[kept]
            rows = encoding.coordinates(genomes, levels)
            bounds = np.column_stack(
                [mean - optimism * deviation for mean, deviation in (model.predict(rows) for model in self._models)]
            )
            value = (_scalarized((bounds - low) / span, weights) - lowest).min(axis=1)
            violation = self._feasibility.violation(rows) if self._constrained else np.zeros(len(rows))
            index = int(np.lexsort((value, violation))[0])
            return genomes[index], (float(violation[index]), float(value[index]))

        chosen, value = least(
            np.concatenate(
                [
                    candidates.drawn(encoding, _DRAWN, generator),
                    candidates.neighbours(encoding, best[:_FEW], generator),
                    candidates.mutants(encoding, best, _MUTANTS, generator),
                    candidates.around(encoding, best[0], half, _LOCAL, generator),
                ]
            )
        )
        for share in _ROUNDS:
            refined, refined_value = least(candidates.around(encoding, chosen, share * lengths, _LOCAL, generator))
            if refined_value < value:
                chosen, value = refined, refined_value
        return chosen


def _scalarized(losses: Array, weights: Array) -> Array:
    """Return the augmented Chebyshev scalarizations (n, w) of normalized losses (n, k) by some weights (w, k)."""
    weighted = losses[:, None, :] * weights
    scalarized: Array = weighted.max(axis=2) + _SUM * weighted.sum(axis=2)
    return scalarized


def _dominators(losses: Array, violation: Array) -> npt.NDArray[np.intp]:
    """Return how many others surpass each point, shape (n,): by its violation (n,), or by dominating losses (n, k)."""
    no_worse = (losses[:, None, :] <= losses[None, :, :]).all(axis=2)
    better = (losses[:, None, :] < losses[None, :, :]).any(axis=2)
    less, same = violation[:, None] < violation[None, :], violation[:, None] == violation[None, :]
    counts: npt.NDArray[np.intp] = np.count_nonzero(less | (same & no_worse & better), axis=0)
    return counts


def _foremost(losses: Array, violation: Array, count: int) -> npt.NDArray[np.intp]:
    """Return the indices of the points to which processes are fitted: those that few surpass, and the newest others."""
    latest = np.arange(max(len(losses) - 8 * count, 0), len(losses))
    order = latest[np.argsort(_dominators(losses[latest], violation[latest]), kind="stable")]
    best, others = np.split(order, [2 * count // 3])
    return np.sort(np.concatenate([best, np.sort(others)[len(best) - count :]]))
