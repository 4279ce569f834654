"""Pruning rules: by the rank among other evaluations, by an evaluation's own curve, or by a bound on its loss."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from propulate_like.evaluation.pruning.curves import Curve, Curves
from propulate_like.evaluation.pruning.pruner import PRUNERS, Pruner
from propulate_like.foundation import declarations
from propulate_like.population.individual import Id


class SuccessiveHalvingPruner(Pruner):
    """Asynchronous successive halving: stop at a rung, unless among the best 1 / `reduction` that reached it.

    Rungs are at the steps `first` * `reduction`**k. The comparison is between the lowest losses up to the rung of all
    evaluations that this rank knows to have reached it; the best one always continues. After Li et al. 2020 (A system
    for massively parallel hyperparameter tuning), except that an evaluation that does not continue at once is stopped,
    not paused.

    Args:
        reduction: The ratio of evaluations that reach a rung to those that continue, at least 2.
        first: The step of the first rung, at least 1.
        minimum: The number of evaluations that continue at a rung in any case, the first ones to reach it; at least 1.
    """

    def __init__(self, reduction: int = 3, first: int = 1, minimum: int = 1) -> None:
        """Check the arguments.

        Raises:
            ValueError: `reduction` is below 2, or `first` or `minimum` is below 1.
        """
        self.reduction: int = declarations.whole("reduction", reduction, 2)
        self.first: int = declarations.whole("first", first, 1)
        self.minimum: int = declarations.whole("minimum", minimum, 1)

    def stops(self, ident: Id, curves: Curves) -> bool:
        """Return whether to stop; it is decided at the first step on or after each rung."""
        curve = curves[ident]
        rung = self._rung(curve[-1].step)
        if rung is None or (len(curve) > 1 and curve[-2].step >= rung):
            return False
        others = list(_rivals(ident, curves))
        known = len(others) + 1
        better = sum(other < curve.lowest for other in others)
        return known > self.minimum and better >= max(1, known // self.reduction)

    def _rung(self, step: int) -> int | None:
        """Return the step of the highest rung that this step has reached, or None."""
        if step < self.first:
            return None
        rung = self.first
        while rung * self.reduction <= step:
            rung *= self.reduction
        return rung


class PercentilePruner(Pruner):
    """Percentile rule: stop an evaluation that is not among the best `percentile` per cent at its step.

    The comparison is between the lowest losses up to this step of all evaluations that this rank knows to have reached
    it. The rule of Golovin et al. 2017 (Google Vizier, section 3.2.2), which stops the worse half, for any share.

    Args:
        percentile: The share of evaluations that continue, 0 to 100.
        startup: The number of other evaluations that must have reached the step, at least 1.
        warmup: The number of first steps at which nothing is stopped, at least 0.
        interval: The number of steps from one decision to the next, at least 1.
    """

    def __init__(self, percentile: float = 25.0, startup: int = 5, warmup: int = 0, interval: int = 1) -> None:
        """Check the arguments.

        Raises:
            ValueError: An argument is out of its range.
        """
        self.percentile: float = declarations.number("percentile", percentile, 0.0, 100.0)
        self.startup: int = declarations.whole("startup", startup, 1)
        self.warmup: int = declarations.whole("warmup", warmup, 0)
        self.interval: int = declarations.whole("interval", interval, 1)

    def stops(self, ident: Id, curves: Curves) -> bool:
        """Return whether to stop; it is decided at the first report in each interval."""
        curve = curves[ident]
        if not self._due(curve):
            return False
        others = sorted(_rivals(ident, curves))
        if len(others) < self.startup:
            return False
        place = (len(others) - 1) * self.percentile / 100
        below, above = others[int(place)], others[ceil(place)]
        return curve.lowest > below + (above - below) * (place - int(place))

    def _due(self, curve: Curve) -> bool:
        """Return whether the newest report is the first one in its interval."""
        now = curve[-1].step - self.warmup
        before = curve[-2].step - self.warmup if len(curve) > 1 else 0
        return now > 0 and now // self.interval > max(before, 0) // self.interval


class MedianPruner(PercentilePruner):
    """Median rule: stop an evaluation that is worse than the median at its step (`PercentilePruner` at 50).

    Args:
        startup: The number of other evaluations that must have reached the step, at least 1.
        warmup: The number of first steps at which nothing is stopped, at least 0.
        interval: The number of steps from one decision to the next, at least 1.
    """

    def __init__(self, startup: int = 5, warmup: int = 0, interval: int = 1) -> None:
        """Check the arguments.

        Raises:
            ValueError: An argument is out of its range.
        """
        super().__init__(50.0, startup, warmup, interval)


class PatiencePruner(Pruner):
    """Patience rule: stop an evaluation whose lowest loss has not fallen by more than `tolerance` for some reports.

    Args:
        patience: The number of last reports in which the loss must fall, at least 1.
        tolerance: The decrease of the loss that does not count, at least 0.
    """

    def __init__(self, patience: int, tolerance: float = 0.0) -> None:
        """Check the arguments.

        Raises:
            ValueError: `patience` is below 1, or `tolerance` is below 0.
        """
        self.patience: int = declarations.whole("patience", patience, 1)
        self.tolerance: float = declarations.number("tolerance", tolerance, 0.0)

    def stops(self, ident: Id, curves: Curves) -> bool:
        """Return whether to stop, by this evaluation's own curve only."""
        losses = [point.loss for point in curves[ident]]
        recent, before = losses[-self.patience :], losses[: -self.patience]
        return bool(before) and min(recent) >= min(before) - self.tolerance


class ThresholdPruner(Pruner):
    """Threshold rule: stop an evaluation that reports a loss above `upper`.

    Args:
        upper: The bound on the loss; where a score is maximized, the bound on the negated score.
        warmup: The number of first steps at which nothing is stopped, at least 0.
    """

    def __init__(self, upper: float, warmup: int = 0) -> None:
        """Check the arguments.

        Raises:
            ValueError: `upper` is no number, or `warmup` is below 0.
        """
        self.upper: float = declarations.number("upper", upper, -float("inf"))
        self.warmup: int = declarations.whole("warmup", warmup, 0)

    def stops(self, ident: Id, curves: Curves) -> bool:
        """Return whether to stop, by the newest report only."""
        step, loss = curves[ident][-1]
        return step > self.warmup and loss > self.upper


class AnyPruner(Pruner):
    """A combination of rules, which stops an evaluation as soon as one of them does. In YAML: a list of rules.

    Args:
        pruners: The rules, at least one.
    """

    def __init__(self, *pruners: Pruner) -> None:
        """Check the arguments.

        Raises:
            ValueError: There is no rule, or one is no pruner.
        """
        for pruner in pruners:
            if not isinstance(pruner, Pruner):
                message = f"{pruner!r} must be a pruner, such as MedianPruner()"
                raise ValueError(message)
        if not pruners:
            message = "at least one rule is needed, such as MedianPruner()"
            raise ValueError(message)
        self.pruners = pruners

    @classmethod
    def of(cls, form: object) -> Pruner:
        """Return a pruner as it is, or read one from its YAML form: a name, {name: arguments}, or a list of these.

        Raises:
            ValueError: `form` is no valid pruner.
        """
        if isinstance(form, Pruner):
            return form
        if isinstance(form, list):
            return cls(*[cls.of(rule) for rule in form])
        return PRUNERS.read(form, _nested)

    def stops(self, ident: Id, curves: Curves) -> bool:
        """Return whether any rule stops. Every rule is asked, as some keep state."""
        verdicts = [pruner.stops(ident, curves) for pruner in self.pruners]
        return any(verdicts)


def _nested(annotation: object, value: object) -> object:
    """Read an argument that is a pruner itself."""
    return AnyPruner.of(value) if annotation is Pruner else value


def _rivals(ident: Id, curves: Curves) -> Iterator[float]:
    """Yield the lowest loss, up to this evaluation's step, of every other evaluation that reached the step."""
    now = curves[ident][-1].step
    for other, curve in curves.items():
        if other != ident and curve[0].step <= now <= curve[-1].step:
            yield curve.lowest_until(now)
