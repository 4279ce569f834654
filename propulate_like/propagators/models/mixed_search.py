"""Bayesian optimization with parameters of any kind: continuous, ordinal, categorical and conditional."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from propulate_like.population.training_data import Array
from propulate_like.propagators.models import candidates
from propulate_like.propagators.models.encoding import Codes, Encoding, Levels
from propulate_like.propagators.models.feasibility import ConstraintProcesses, Known
from propulate_like.propagators.models.gaussian_process import GaussianProcess, Prior, warped
from propulate_like.propagators.models.region import Region

_LENGTH, _NOISE = 0.6, -6.0  # prior means: the length scale with five parameters, and the noise's logarithm
_MEDIAN = 0.5  # quantile of the losses above which they count by their logarithm
_STEPS = 10  # of a fit
_NEW = 0.4  # new points before the next fit, as a share of the rows
_BEST, _FEW = 8, 5  # best points that are mutated, and those whose neighbours are all candidates
_WIDEST, _NARROWEST, _JITTER = 3.2, 1e-3, 0.5  # of the region, in length scales
# docs/decisions.md, "What did not help mixed spaces"
_DRAWN, _MUTANTS, _LOCAL = 300, 300, 300  # candidates

Fresh = Callable[[Levels, Codes], npt.NDArray[np.bool_]]
"""A function of points' levels (n, d) and codes (n,) that returns which of them may be proposed, shape (n,)."""


class MixedSearch:
    """A Gaussian process of the known points, and the search for points where it expects low losses.

    A proposal has the lowest confidence bound, mean - beta * sd, of many candidates: random points, mutations and
    neighbours of the best ones, and points of a trust region around the best one (Eriksson et al. 2019).
    beta = `boldness` * |N(0, 1)| is drawn each time.
    """

    def __init__(
        self, encoding: Encoding, workers: int, rows: int, boldness: float, generator: np.random.Generator
    ) -> None:
        """Start a search.

        Args:
            encoding: The encoding of the space.
            workers: The number of ranks.
            rows: The number of points to which the process is fitted: the best ones, for two thirds of the rows, and
                the newest of the others.
            boldness: The scale of beta, at least 0.
            generator: The random generator.
        """
        self._encoding, self._rows, self._boldness, self._generator = encoding, rows, boldness, generator
        count = len(encoding.levels)
        length = math.log(_LENGTH) + 0.5 * math.log(count / 5.0)
        prior = Prior((length, 1.0), (_NOISE, 2.0))
        self._model = GaussianProcess(encoding.groups, prior, trend=False)
        self._feasibility = ConstraintProcesses(lambda: GaussianProcess(encoding.groups, prior, trend=False))
        self._constrained = False
        self._region = Region(max(count, workers), _WIDEST, _NARROWEST, _JITTER)
        self._fitted = self._learned = 0
        self._best: Array = np.empty((0, count))
        self._known: set[bytes] = set()

    def fit(self, known: Known, total: int) -> None:
        """Fit or condition the process, where there are new points.

        Args:
            known: The known points in canonical form, oldest first; losses and merits of failures are NaN.
            total: The number of points so far, including those that are no longer known.
        """
        new = total - self._learned
        if not new:
            return
        self._learned = total
        self._region.update(known.merits[-new:].tolist())
        self._known.update(row.tobytes() for row in known.points[-new:])
        order = np.argsort(known.merits, kind="stable")  # failures come last
        self._best = known.points[order[:_BEST]]
        kept = self._kept(order)
        known = known.rows(kept)
        rows = self._encoding.coordinates(*self._encoding.canonical(known.points))
        targets = _targets(known.losses)
        center = rows[np.argmin(targets)]
        fit = not self._fitted or total - self._fitted > _NEW * len(kept)
        if fit:
            self._model.fit(rows, targets, center, _STEPS)
            self._fitted = total
        else:
            self._model.condition(rows, targets, center)
        self._constrained = known.constraints.shape[1] > 0
        if self._constrained:
            self._feasibility.learn(rows, known.constraints, center, fit=fit)

    def propose(self, fresh: Fresh) -> Array:
        """Return the best candidate (d,) that is fresh, or the best of all where none is."""
        encoding, generator = self._encoding, self._generator
        genomes, levels = encoding.canonical(np.concatenate(list(self._candidates())))
        kept = fresh_rows(encoding, genomes, levels, self._known, fresh)
        if kept.any():
            genomes, levels = genomes[kept], levels[kept]
        coordinates = encoding.coordinates(genomes, levels)
        mean, deviation = self._model.predict(coordinates)
        bound = mean - self._boldness * abs(generator.standard_normal()) * deviation
        index = int(np.argmin(bound))
        if self._constrained:
            self._feasibility.draw(generator)
            index = int(np.lexsort((bound, self._feasibility.violation(coordinates)))[0])
        best: Array = genomes[index]
        return best

    def _candidates(self) -> Iterable[Array]:
        """Yield candidates of each kind, shape (n, d)."""
        encoding, generator, best = self._encoding, self._generator, self._best
        yield candidates.drawn(encoding, _DRAWN, generator)
        yield candidates.neighbours(encoding, best[:_FEW], generator)
        yield candidates.mutants(encoding, best, _MUTANTS, generator)
        lengths = np.maximum.reduceat(self._model.lengths, np.flatnonzero(np.diff(encoding.groups, prepend=-1)))
        yield candidates.around(encoding, best[0], self._region.half(lengths, generator), _LOCAL, generator)

    def _kept(self, order: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """Return the rows to which the process is fitted, from all rows in the order of their losses."""
        if len(order) <= self._rows:
            return order
        best, others = np.split(order, [2 * self._rows // 3])
        return np.concatenate([best, np.sort(others)[len(best) - self._rows :]])


def fresh_rows(
    encoding: Encoding, genomes: Array, levels: Levels, known: set[bytes], fresh: Fresh
) -> npt.NDArray[np.bool_]:
    """Return which rows may be proposed, shape (n,).

    Of rows with a code, one of each fresh code may; of rows without one, those that are not known.

    Args:
        encoding: The encoding of the space.
        genomes: The rows in canonical form, shape (n, d).
        levels: Their levels, shape (n, d).
        known: The known rows, as bytes.
        fresh: Tells which codes are fresh.
    """
    uncountable = ~encoding.countable(levels)
    unknown = [row.tobytes() not in known for row in genomes[uncountable]]
    if uncountable.all():
        return np.array(unknown)
    codes = encoding.codes(levels)
    first = np.zeros(len(codes), dtype=bool)
    first[np.unique(codes, return_index=True)[1]] = True
    kept = first & fresh(levels, codes)
    kept[uncountable] = unknown
    return kept


def _targets(losses: Array) -> Array:
    """Return the targets of a model, shape (n,): losses as `warped` returns them, and the worst one for failures."""
    failed = np.isnan(losses)
    targets = np.empty_like(losses)
    targets[~failed] = warped(losses[~failed], _MEDIAN)
    targets[failed] = targets[~failed].max()
    return targets
