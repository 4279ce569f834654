"""Rules that stop an evaluation by its place among others, by its own course, or by a bound on its loss."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from propulate_like.evaluation.pruning.curves import Curve, Curves
from propulate_like.evaluation.pruning.pruner import PRUNERS, Pruner
from propulate_like.foundation import declarations
from propulate_like.population.individual import Id


class SuccessiveHalvingPruner(Pruner):
    """Stop at a rung, unless among the best 1 / `reduction` of those known to have reached it.

    Rungs are at the steps `first` * `reduction`**k; the first `minimum` to reach a rung go on, and always the best.
    Compared are the lowest losses until then. Asynchronous successive halving after Li et al. 2020 (A system for
    massively parallel hyperparameter tuning), where whoever does not go on at once is stopped: nothing is paused.
    """

    def __init__(self, reduction: int = 3, first: int = 1, minimum: int = 1) -> None:
        """ValueError where `reduction` is below 2, or `first` or `minimum` below 1."""
        self.reduction: int = declarations.whole("reduction", reduction, 2)
        self.first: int = declarations.whole("first", first, 1)
        self.minimum: int = declarations.whole("minimum", minimum, 1)

    def stops(self, ident: Id, curves: Curves) -> bool:
        """Judge at the first step on or after each rung."""
        curve = curves[ident]
        rung = self._rung(curve[-1].step)
        if rung is None or (len(curve) > 1 and curve[-2].step >= rung):
            return False
        others = list(_rivals(ident, curves))
        known = len(others) + 1
        better = sum(other < curve.lowest for other in others)
        return known > self.minimum and better >= max(1, known // self.reduction)

    def _rung(self, step: int) -> int | None:
        """Return the highest rung that this step has reached."""
        if step < self.first:
            return None
        rung = self.first
        while rung * self.reduction <= step:
            rung *= self.reduction
        return rung


class PercentilePruner(Pruner):
    """Stop what is not among the best `percentile` per cent of those known to have come as far.

    Compared are the lowest losses until this step, at every `interval`-th step after the first `warmup`, once `startup`
    others have come as far. The rule of Golovin et al. 2017 (Google Vizier, section 3.2.2) with other shares than half.
    """

    def __init__(self, percentile: float = 25.0, startup: int = 5, warmup: int = 0, interval: int = 1) -> None:
        """ValueError where `percentile` is outside 0 to 100, or a whole number is too low."""
        self.percentile: float = declarations.number("percentile", percentile, 0.0, 100.0)
        self.startup: int = declarations.whole("startup", startup, 1)
        self.warmup: int = declarations.whole("warmup", warmup, 0)
        self.interval: int = declarations.whole("interval", interval, 1)

    def stops(self, ident: Id, curves: Curves) -> bool:
        """Judge where a step of the interval has been reached since the report before."""
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
        now = curve[-1].step - self.warmup
        before = curve[-2].step - self.warmup if len(curve) > 1 else 0
        return now > 0 and now // self.interval > max(before, 0) // self.interval


class MedianPruner(PercentilePruner):
    """Stop what is worse than the median of those known to have come as far: `percentile` at 50."""

    def __init__(self, startup: int = 5, warmup: int = 0, interval: int = 1) -> None:
        """ValueError where a whole number is too low."""
        super().__init__(50.0, startup, warmup, interval)


class PatiencePruner(Pruner):
    """Stop what has not come below its lowest loss by more than `tolerance` within its last `patience` reports."""

    def __init__(self, patience: int, tolerance: float = 0.0) -> None:
        """ValueError where `patience` is below 1, or `tolerance` below 0."""
        self.patience: int = declarations.whole("patience", patience, 1)
        self.tolerance: float = declarations.number("tolerance", tolerance, 0.0)

    def stops(self, ident: Id, curves: Curves) -> bool:
        """Judge by this evaluation's own course alone."""
        losses = [point.loss for point in curves[ident]]
        recent, before = losses[-self.patience :], losses[: -self.patience]
        return bool(before) and min(recent) >= min(before) - self.tolerance


class ThresholdPruner(Pruner):
    """Stop what reports a loss beyond `upper`, after the first `warmup` steps.

    The bound is on the loss: where a score is maximized, on the score with its sign turned.
    """

    def __init__(self, upper: float, warmup: int = 0) -> None:
        """ValueError where `upper` is no number, or `warmup` below 0."""
        self.upper: float = declarations.number("upper", upper, -float("inf"))
        self.warmup: int = declarations.whole("warmup", warmup, 0)

    def stops(self, ident: Id, curves: Curves) -> bool:
        """Judge by the newest report alone."""
        step, loss = curves[ident][-1]
        return step > self.warmup and loss > self.upper


class AnyPruner(Pruner):
    """Stop as soon as any of several rules says so. In YAML: a list of rules."""

    def __init__(self, *pruners: Pruner) -> None:
        """ValueError where there is none, or something else than a pruner."""
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
        """Take a pruner, or read one as it stands in YAML: a name, {name: arguments}, or a list of those.

        ValueError where that is nothing valid.
        """
        if isinstance(form, Pruner):
            return form
        if isinstance(form, list):
            return cls(*[cls.of(rule) for rule in form])
        return PRUNERS.read(form, _nested)

    def stops(self, ident: Id, curves: Curves) -> bool:
        """Ask every rule: some keep what they were asked about."""
        verdicts = [pruner.stops(ident, curves) for pruner in self.pruners]
        return any(verdicts)


def _nested(annotation: object, value: object) -> object:
    return AnyPruner.of(value) if annotation is Pruner else value


def _rivals(ident: Id, curves: Curves) -> Iterator[float]:
    """Return the lowest loss until this evaluation's step of every other one that came as far."""
    now = curves[ident][-1].step
    for other, curve in curves.items():
        if other != ident and curve[0].step <= now <= curve[-1].step:
            yield curve.lowest_until(now)
