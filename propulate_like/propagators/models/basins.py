"""Basins in which a local search is finished, and the known points outside them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from propulate_like.population.training_data import Array

_RADIUS = 0.1  # of a finished basin, as a share of the unit cube's diagonal
# docs/decisions.md, "A basin that seems done is not given up"
_PATIENCE = 15  # evaluations per dimension without a sufficient gain
_FEWEST = 40  # evaluations per dimension before a basin can be finished
_GAIN = 0.05  # of the spread of the latest losses
_POLISHED = 1e-9  # of the spread of the first losses


class Basins:
    """The finished basins of a local search.

    A basin is finished once the latest losses in it have gained less than a twentieth of their spread, or lie within a
    billionth of the spread of the first losses: then it is also polished.

    Attributes:
        finished: The optima of the finished basins, each of shape (d,).
        polished: Whether the first of them is polished, so that nothing is left to gain there.
    """

    def __init__(self, dimension: int, workers: int) -> None:
        """Start without a finished basin.

        Args:
            dimension: The number of coordinates, d.
            workers: The number of ranks.
        """
        self.finished: list[Array] = []
        self.polished = False
        self._open = np.empty(0, dtype=bool)
        self._began = 0
        self._window = _PATIENCE * dimension + workers
        self._fewest = _FEWEST * dimension
        self._radius = _RADIUS * dimension**0.5
        self._first = 4 * dimension + workers

    def look(self, points: Array, losses: Array, total: int) -> tuple[npt.NDArray[np.bool_], bool]:
        """Finish the present basin where its search has ended.

        Args:
            points: The known points, shape (n, d), oldest first.
            losses: Their losses, shape (n,), which are finite.
            total: The number of points so far, including those that are no longer known.

        Returns:
            Which rows lie outside all finished basins, shape (n,), and whether this call finished a basin.
        """
        new = min(total - len(self._open), len(points))
        fresh = np.ones(total - len(self._open), dtype=bool)
        for optimum in self.finished:
            fresh[len(fresh) - new :] &= self._far(points[len(points) - new :], optimum)
        self._open = np.concatenate([self._open, fresh])
        rows = self._open[total - len(points) :]
        if not self._over(losses, rows, total):
            return rows, False
        optimum = points[rows][np.argmin(losses[rows])].copy()
        self.finished.append(optimum)
        self._began = total
        rows = rows & self._far(points, optimum)
        self._open[total - len(points) :] = rows
        return rows, True

    def _far(self, points: Array, optimum: Array) -> npt.NDArray[np.bool_]:
        """Return which points (n, d) lie outside the basin of an optimum."""
        far: npt.NDArray[np.bool_] = np.sum((points - optimum) ** 2, axis=1) > self._radius**2
        return far

    def _over(self, losses: Array, rows: npt.NDArray[np.bool_], total: int) -> bool:
        """Return whether the search in the present basin, whose points are `rows`, has ended."""
        here = losses[rows]
        if total - self._began < self._fewest or len(here) <= self._window:
            return False
        latest = losses[-self._window :][rows[-self._window :]]
        if len(latest) < self._window // 2:
            return False
        best = float(here.min())
        gained = float(here[: -len(latest)].min()) - best
        spread = float(np.median(latest)) - best
        whole = float(np.median(losses[: self._first])) - float(losses.min())
        flat = spread <= _POLISHED * whole
        self.polished |= flat and not self.finished
        return flat or gained < _GAIN * spread
