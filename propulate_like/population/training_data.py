"""Points: what one rank knows, as the arrays that models learn from."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from propulate_like.population.constraints import merit_of
from propulate_like.population.individual import Id, Individual

Array = npt.NDArray[np.float64]

_FEWEST = 64  # rows
_HUGE = 1e300  # losses beyond count as this: their differences are numbers


class TrainingData:
    """Evaluated individuals as rows, in the order in which they arrived; of those, the newest `size`.

    `genomes` has a row a point and a column a parameter, in canonical form (see `Space.canonical`); `losses` is NaN
    where an evaluation failed, and 1e300 at most. `constraints` has a column for each constraint, none where there are
    none; they are NaN where they are not known, and at most 1e300 too. `total` counts all there ever were, so that a
    model can tell what is new to it.
    """

    def __init__(self, size: int, before: int = 0) -> None:
        """Count on from those `before`, which are not kept."""
        self.size = size
        self.total: int = before
        self._known: dict[Id, None] = {}
        self._genomes: Array = np.empty((0, 0))
        self._losses: Array = np.empty(0)
        self._constraints: Array = np.empty((0, 0))
        self._count = 0

    @classmethod
    def of(cls, individuals: Iterable[Individual]) -> TrainingData:
        """Return the points of a population, or those of other individuals."""
        points = getattr(individuals, "training_data", None)
        if isinstance(points, cls):
            return points
        individuals = list(individuals)
        points = cls(len(individuals))
        for individual in individuals:
            points.add(individual)
        return points

    @property
    def genomes(self) -> Array:
        """The points, a view that is not to be changed and not to be kept."""
        return self._genomes[max(self._count - self.size, 0) : self._count]

    @property
    def losses(self) -> Array:
        """Their losses, a view that is not to be changed and not to be kept."""
        return self._losses[max(self._count - self.size, 0) : self._count]

    @property
    def constraints(self) -> Array:
        """Their constraints, a view that is not to be changed and not to be kept."""
        return self._constraints[max(self._count - self.size, 0) : self._count]

    @property
    def merits(self) -> Array:
        """What they are compared by: their losses, and higher numbers where constraints are violated."""
        if not self._constraints.shape[1]:
            return self.losses
        constraints, losses = self.constraints, self.losses
        violation = np.sum(np.where(constraints > 0.0, constraints, 0.0), axis=1)
        merits: Array = losses.copy()
        for row in np.flatnonzero(violation > 0.0).tolist():
            merits[row] = merit_of(float(losses[row]), float(violation[row]))
        return merits

    def __len__(self) -> int:
        return min(self._count, self.size)

    def add(self, individual: Individual) -> bool:
        """Take in one that was evaluated, successfully or not; return whether it is new."""
        if individual.id in self._known:
            return False
        self._known[individual.id] = None
        if len(self._known) > 2 * self.size:
            del self._known[next(iter(self._known))]
        if self._count == len(self._losses):
            self._make_room(len(individual.genome))
        candidate, outcome = individual.candidate, individual.outcome
        self._genomes[self._count] = candidate.space.canonical(candidate.genome)
        self._losses[self._count] = min(max(outcome.loss, -_HUGE), _HUGE)
        constraints = outcome.constraints
        if len(constraints) > self._constraints.shape[1]:
            self._widen(len(constraints))
        if self._constraints.shape[1]:
            self._constraints[self._count] = np.nan
            self._constraints[self._count, : len(constraints)] = np.clip(constraints, -_HUGE, _HUGE)
        self._count += 1
        self.total += 1
        return True

    def _make_room(self, dimension: int) -> None:
        """Double the arrays, or, where they hold far more than are kept, move those to their beginning."""
        kept = len(self)
        rows = max(2 * kept, _FEWEST)
        genomes, losses = np.empty((rows, dimension)), np.empty(rows)
        constraints = np.empty((rows, self._constraints.shape[1]))
        if kept:
            genomes[:kept], losses[:kept], constraints[:kept] = self.genomes, self.losses, self.constraints
        self._genomes, self._losses, self._constraints, self._count = genomes, losses, constraints, kept

    def _widen(self, count: int) -> None:
        """Add columns for constraints, which are not known of the rows before."""
        missing = np.full((len(self._losses), count - self._constraints.shape[1]), np.nan)
        self._constraints = np.hstack([self._constraints, missing])
