"""95 % confidence intervals of few repetitions; those over problems are `quality.scoring.interval`'s."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import msgspec

from propulate_like_bench.comparison.page.section import Better, Point


class Estimate(msgspec.Struct, frozen=True):
    """A mean of some values and its 95 % interval, which is the mean alone, and tells nothing, where there is one."""

    mean: float
    low: float
    high: float
    values: int = 2

    def at(self, x: float) -> Point:
        """Return it as a point of a chart."""
        return Point(x, self.mean, self.low, self.high)

    def less_than(self, other: Estimate) -> bool:
        """Return whether all of this interval is below the other."""
        return self.high < other.low

    def written(self, digits: int = 3) -> str:
        """Write it as `mean (low to high)`, with that number of digits."""
        if self.low == self.high:
            return rounded(self.mean, digits)
        return f"{rounded(self.mean, digits)} ({rounded(self.low, digits)} to {rounded(self.high, digits)})"


def rounded(value: float, digits: int = 3) -> str:
    """Write a number with its first `digits` digits, and no exponent where it is of usual size."""
    if value == 0.0 or not 1e-4 <= abs(value) < 1e12:  # noqa: PLR2004
        return f"{value:.{digits}g}"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    return f"{round(value, places):,.{max(places, 0)}f}"


def better(ours: Estimate, theirs: Estimate, *, larger: bool = True) -> Better:
    """Say who is better, where the intervals lie apart."""
    above, below = theirs.less_than(ours), ours.less_than(theirs)
    if min(ours.values, theirs.values) == 1 or not (above or below):
        return "neither"
    return "ours" if above == larger else "theirs"


def ratio(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """Return the ratio of two geometric means, and Welch's t interval of it; one value on a side tells nothing."""
    from scipy.stats import t

    logs = [[math.log(value) for value in values] for values in (first, second)]
    apart = statistics.fmean(logs[0]) - statistics.fmean(logs[1])
    fewest = min(map(len, logs))
    half = 0.0
    if fewest > 1:
        squares = [statistics.variance(values) / len(values) for values in logs]
        if sum(squares) > 0.0:
            parts = [square**2 / (len(values) - 1) for square, values in zip(squares, logs, strict=True)]
            half = float(t.ppf(0.975, sum(squares) ** 2 / sum(parts))) * math.sqrt(sum(squares))
    return Estimate(math.exp(apart), math.exp(apart - half), math.exp(apart + half), fewest)


def better_by(times: Estimate, *, larger: bool = True) -> Better:
    """Say who is better, by our ratio to theirs."""
    return better(times, Estimate(1.0, 1.0, 1.0), larger=larger)


def mean(values: Sequence[float]) -> Estimate:
    """Return the mean and Student's t interval of it."""
    from scipy.stats import t

    middle = statistics.fmean(values)
    if len(values) == 1:
        return Estimate(middle, middle, middle, 1)
    half = float(t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / math.sqrt(len(values))
    return Estimate(middle, middle - half, middle + half, len(values))


def geometric_mean(values: Sequence[float]) -> Estimate:
    """Return the geometric mean of positive values, and Student's t interval of their logarithms."""
    estimate = mean([math.log(value) for value in values])
    return Estimate(math.exp(estimate.mean), math.exp(estimate.low), math.exp(estimate.high), estimate.values)
