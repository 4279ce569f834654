"""Feasibility: how models compare points with constraints, and a Gaussian process of each constraint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import Bounds, minimize

from propulate_like.population.training_data import Array, TrainingData
from propulate_like.propagators.models.gaussian_process import GaussianProcess, noisy_targets

_WORST = 2.0  # range of feasible losses by which the least violation is worse than these
_CAUTION = 0.5  # standard deviations
_NOISY_ABOVE = 0.4  # quantile of the distances from the border above which constraints have extra noise
_STEPS, _DESCENT = 10, 15  # of a fit, and of a descent


class Known(NamedTuple):
    """The known points.

    Attributes:
        points: The points, shape (n, d).
        losses: Their losses, shape (n,).
        constraints: Their constraints, shape (n, m), in units of their own, NaN where they are not known; m is 0 where
            there are none.
        merits: What they are compared by, shape (n,): the losses of feasible ones, and higher numbers for others.
    """

    points: Array
    losses: Array
    constraints: Array
    merits: Array

    @classmethod
    def of(cls, data: TrainingData) -> Known:
        """Return the points of training data; their losses and merits are NaN where evaluations failed."""
        losses = data.losses
        if not data.constraints.shape[1]:
            return cls(data.genomes, losses, data.constraints, losses)
        constraints = scaled(data.constraints)
        return cls(data.genomes, losses, constraints, _merits(losses, violations(constraints)))

    def rows(self, which: npt.NDArray[Any]) -> Known:
        """Return some of the points, by their indices or by a mask."""
        return Known(*(each[which] for each in self))


def violations(constraints: Array) -> Array:
    """Return the sum of the violated constraints (n, m) of each point, shape (n,); what is not known counts as 0."""
    total: Array = np.sum(np.where(constraints > 0.0, constraints, 0.0), axis=1)
    return total


def scaled(constraints: Array) -> Array:
    """Return constraints (n, m), each divided by the median of its absolute values."""
    sizes = np.abs(constraints)
    with np.errstate(all="ignore"):
        scales = np.nanmedian(sizes, axis=0) if len(sizes) else np.ones(sizes.shape[1])
        scales = np.where(scales > 0.0, scales, np.nanmax(sizes, axis=0, initial=0.0))
    scaled: Array = np.clip(constraints / np.where(scales > 0.0, scales, 1.0), -1e9, 1e9)
    return scaled


def _merits(losses: Array, violation: Array) -> Array:
    """Return what points are compared by, shape (n,): infeasible ones come after feasible ones, by their violation."""
    infeasible = violation > 0.0
    feasible = losses[~infeasible & np.isfinite(losses)]
    base, span = (float(feasible.max()), float(np.ptp(feasible))) if len(feasible) else (0.0, 1.0)
    span = span or max(abs(base), 1.0)
    return np.where(infeasible & np.isfinite(losses), base + span * violation, losses)


class ConstraintProcesses:
    """A Gaussian process of each constraint, and the points that they expect to be feasible."""

    def __init__(self, make: Callable[[], GaussianProcess]) -> None:
        """Start without constraints; `make` returns a process for one."""
        self._make = make
        self._processes: list[GaussianProcess] = []
        self._offsets: list[float] = []
        self._spreads: list[float] = []
        self._cautions: Array = np.empty(0)

    def learn(self, points: Array, constraints: Array, center: Array, *, fit: bool) -> None:
        """Condition the processes on points (n, d) and their constraints (n, m), and fit their parameters before."""
        while len(self._processes) < constraints.shape[1]:
            self._processes.append(self._make())
        self._offsets, self._spreads = [], []
        for process, values in zip(self._processes, constraints.T):
            known = np.isfinite(values)
            targets, noise = noisy_targets(values[known], _NOISY_ABOVE, 0.0)
            offset, spread = _line(values[known], targets)
            self._offsets.append(offset)
            self._spreads.append(spread)
            if fit:
                process.fit(points[known], targets, center, _STEPS, noise)
            else:
                process.condition(points[known], targets, center, noise)

    def draw(self, generator: np.random.Generator) -> None:
        """Draw by how many standard deviations each constraint is expected higher or lower than its mean."""
        self._cautions = _CAUTION * generator.standard_normal(len(self._processes))

    def violation(self, points: Array) -> Array:
        """Return the expected violation of all constraints at points (m, d), shape (m,)."""
        total = np.zeros(len(points))
        for process, offset, spread, caution in self._all:
            mean, deviation = process.predict(points)
            total += np.maximum(offset + spread * (mean + caution * deviation), 0.0)
        return total

    def descend(self, loss: GaussianProcess, point: Array, low: Array, high: Array, optimism: float) -> Array:
        """Return a local minimum (d,) of the loss's confidence bound in a box, where all constraints are satisfied.

        Args:
            loss: The process of the loss.
            point: The start, shape (d,).
            low: The box's lower corner, shape (d,).
            high: The box's upper corner, shape (d,).
            optimism: The weight of the standard deviation in the bound mean - optimism * sd.
        """
        processes = self._all
        latest: tuple[bytes, Array, Array] = b"", np.empty(0), np.empty(0)

        def margins(point: Array) -> tuple[bytes, Array, Array]:
            """Return the margins (m,) and their slopes (m, d) at a point, which are asked for one after the other."""
            nonlocal latest
            if latest[0] != point.tobytes():
                found = [process.bound(point, -caution) for process, _, _, caution in processes]
                values = [-(offset + spread * value) for (_, offset, spread, _), (value, _) in zip(processes, found)]
                slopes = [-spread * slope for (_, _, spread, _), (_, slope) in zip(processes, found)]
                latest = point.tobytes(), np.array(values), np.array(slopes)
            return latest

        found = minimize(
            loss.bound,
            point,
            args=(optimism,),
            jac=True,
            method="SLSQP",
            bounds=Bounds(low, high),
            constraints=[
                {"type": "ineq", "fun": lambda point: margins(point)[1], "jac": lambda point: margins(point)[2]}
            ],
            options={"maxiter": _DESCENT},
        )
        return np.clip(found.x, low, high) if np.all(np.isfinite(found.x)) else point

    @property
    def _all(self) -> list[tuple[GaussianProcess, float, float, float]]:
        """The processes, each with the offset and spread of its targets and its caution."""
        return list(zip(self._processes, self._offsets, self._spreads, self._cautions.tolist(), strict=True))


def _line(values: Array, targets: Array) -> tuple[float, float]:
    """Return the offset and the spread by which targets stand for values, which are a line of them."""
    low, high = int(np.argmin(targets)), int(np.argmax(targets))
    if not targets[high] > targets[low]:
        return float(values.mean()) if len(values) else 0.0, 1.0
    spread = float((values[high] - values[low]) / (targets[high] - targets[low]))
    return float(values[low] - spread * targets[low]), spread
