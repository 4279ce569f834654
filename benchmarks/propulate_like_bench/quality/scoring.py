"""Scores: what a search had found at moments spread evenly over the logarithm of its evaluations."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Improvements = Sequence[tuple[int, float]]
"""Numbers of evaluations after which the lowest loss fell, and to what, in order."""
Array = NDArray[np.floating[Any]]

_MOMENTS = 51
_MOST_DECADES = 8.0
_RESAMPLED = 2000


def decades(typical: float, optimum: float) -> Callable[[float], float]:
    """Return a gain: orders of magnitude nearer to the optimum than the typical loss, of at most 8."""

    def gain(loss: float) -> float:
        if loss <= optimum:
            return 1.0
        ratio = (typical - optimum) / (loss - optimum)
        return min(max(math.log10(ratio), 0.0) / _MOST_DECADES, 1.0) if ratio > 0.0 else 0.0

    return gain


def moments(evaluations: int) -> list[int]:
    """Return numbers of evaluations from the fifth, or a fiftieth of the budget where that is later, to its end."""
    first = min(max(5.0, evaluations / 50), evaluations)
    return [int(moment) for moment in np.rint(np.geomspace(first, evaluations, _MOMENTS))]


def lowest(improvements: Improvements, evaluations: int) -> float:
    """Return the lowest loss after a number of evaluations; infinity before there is one."""
    position = bisect_right(improvements, evaluations, key=lambda improvement: improvement[0])
    return improvements[position - 1][1] if position else math.inf


def anytime(improvements: Improvements, evaluations: int) -> list[float]:
    """Return the lowest loss at each moment."""
    return [lowest(improvements, moment) for moment in moments(evaluations)]


def ranks(losses: Array) -> Array:
    """Rank contestants (the first axis) by loss, 1 being the lowest; equal ones share the mean of their ranks."""
    from scipy.stats import rankdata

    ranked: Array = rankdata(losses, axis=0)
    return ranked


def interval(values: Array) -> tuple[float, float]:
    """Return the 95 % interval of a mean over problems and instances, by the bootstrap; the same at each call."""
    drawn = np.random.default_rng(0).integers(0, len(values), (_RESAMPLED, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), (0.025, 0.975))
    return float(low), float(high)
