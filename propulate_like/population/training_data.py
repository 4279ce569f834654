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
    where an evaluation failed, and 1e300 at most; `several` has a column for each loss. `constraints` has a column for
    each constraint, none where there are none; they are NaN where they are not known, and at most 1e300 too. `total`
    counts all there ever were, so that a model can tell what is new to it.
    """

    def __init__(self, size: int, before: int = 0) -> None:
        """Count on from those `before`, which are not kept."""
        self.size = size
        self.total: int = before
        self._known: dict[Id, None] = {}
        self._genomes: Array = np.empty((0, 0))
        self._losses: Array = np.empty(0)
        self._more: Array = np.empty((0, 0))  # the other losses, then the constraints
        self._others = 0  # losses
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
        return self._more[max(self._count - self.size, 0) : self._count, self._others :]

    @property
    def several(self) -> Array:
        """All their losses, in a new array."""
        return np.column_stack([self.losses, self._more[max(self._count - self.size, 0) : self._count, : self._others]])

    @property
    def merits(self) -> Array:
        """What they are compared by: their losses, and higher numbers where constraints are violated."""
        constraints, losses = self.constraints, self.losses
        if not constraints.shape[1]:
            return losses
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
        more = (*outcome.losses[1:], *outcome.constraints)
        if more or self._more.shape[1]:
            self._add_more(more, max(len(outcome.losses) - 1, 0))
        self._count += 1
        self.total += 1
        return True

    def _make_room(self, dimension: int) -> None:
        """Double the arrays, or, where they hold far more than are kept, move those to their beginning."""
        kept = len(self)
        rows = max(2 * kept, _FEWEST)
        genomes, losses = np.empty((rows, dimension)), np.empty(rows)
        more = np.empty((rows, self._more.shape[1]))
        if kept:
            genomes[:kept], losses[:kept] = self.genomes, self.losses
            more[:kept] = self._more[self._count - kept : self._count]
        self._genomes, self._losses, self._more, self._count = genomes, losses, more, kept

    def _add_more(self, more: tuple[float, ...], others: int) -> None:
        """Add the other losses and the constraints of the row that is being added; those of rows before are NaN."""
        self._others = max(self._others, others)
        missing = len(more) - self._more.shape[1]
        if len(self._more) < len(self._losses) or missing > 0:
            wider = np.full((len(self._losses), max(self._more.shape[1], len(more))), np.nan)
            wider[: len(self._more), : self._more.shape[1]] = self._more
            self._more = wider
        self._more[self._count] = np.nan
        self._more[self._count, : len(more)] = np.clip(more, -_HUGE, _HUGE)
