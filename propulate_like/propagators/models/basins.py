"""Basins: where a local search has come to its end, and what is known beyond."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from propulate_like.population.training_data import Array

_RADIUS = 0.1  # of a finished basin, in the unit cube's diagonal
# docs/decisions.md, "A basin that seems done is not given up"
_PATIENCE = 15  # evaluations per dimension, without a gain worth while
_FEWEST = 40  # evaluations per dimension before the first is given up
_GAIN = 0.05  # of the spread of the latest losses
_POLISHED = 1e-9  # of the spread of the first losses


class Basins:
    """Tells which of the known points a local search is to look at: all but those around optima where it has ended.

    A basin is finished once the latest losses in it have gained less than a twentieth of their spread, or lie within a
    billionth of what the first losses spread over: then it is polished.
    """

    def __init__(self, dimension: int, workers: int) -> None:
        self.finished: list[Array] = []
        """The optima found."""
        self.polished = False
        """Whether there is nothing left to be gained in the first of them."""
        self._open = np.empty(0, dtype=bool)
        self._began = 0
        self._window = _PATIENCE * dimension + workers
        self._fewest = _FEWEST * dimension
        self._radius = _RADIUS * dimension**0.5
        self._first = 4 * dimension + workers

    def look(self, points: Array, losses: Array, total: int) -> tuple[npt.NDArray[np.bool_], bool]:
        """Return which rows lie elsewhere, of the newest of a `total`, and whether this look begins another basin.

        Losses are finite.
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
        far: npt.NDArray[np.bool_] = np.sum((points - optimum) ** 2, axis=1) > self._radius**2
        return far

    def _over(self, losses: Array, rows: npt.NDArray[np.bool_], total: int) -> bool:
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
