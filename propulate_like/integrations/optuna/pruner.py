"""Any Optuna pruner as a pruning rule."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from propulate_like.evaluation.pruning.curves import Curve, Curves, Point
from propulate_like.evaluation.pruning.pruner import Pruner
from propulate_like.foundation.undisturbed import undisturbed
from propulate_like.integrations.optuna.studies import made, quiet_study
from propulate_like.population.individual import Id

if TYPE_CHECKING:
    import optuna

_STATELESS = {"MedianPruner", "NopPruner", "PercentilePruner", "ThresholdPruner", "WilcoxonPruner"}


class OptunaPruner(Pruner):
    """Stop evaluations by one of Optuna's pruners.

    Every known curve becomes a trial of a study in memory that is private to this rank, in the order in which they
    arrive: complete where the evaluation completed, pruned where it was stopped or failed. In YAML an instance is
    declared by its class's name only.

    Args:
        pruner: The name of the pruner's class, or an instance.
        arguments: The arguments of the class. A pruner within another one is declared likewise:
            `OptunaPruner("PatientPruner", {"wrapped_pruner": "MedianPruner", "patience": 3})`.
    """

    def __init__(self, pruner: object, arguments: Mapping[str, Any] | None = None) -> None:
        """Create the pruner.

        Raises:
            ValueError: Optuna is missing, there is no such pruner, or it refuses its arguments.
        """
        instance = made("pruner", pruner, arguments)
        self.pruner: str = pruner if isinstance(pruner, str) else type(pruner).__name__
        self.arguments: dict[str, Any] | None = None if arguments is None else dict(arguments)
        self._judges_all = type(instance).__name__ not in _STATELESS
        self._study = quiet_study(pruner=instance)
        self._mirrors: dict[Id, _Mirror] = {}

    @undisturbed
    def stops(self, ident: Id, curves: Curves) -> bool:
        for other, curve in curves.items():
            mirror = self._mirrors.get(other)
            if mirror is not None and mirror.curve is not curve:  # the evaluation was started again
                mirror.end()
                mirror = None
            if mirror is None:
                mirror = self._mirrors[other] = _Mirror(self._study, curve)
            if mirror.reported < len(curve) or mirror.ended != curve.ended:
                mirror.follow(judged=self._judges_all and other != ident)
        if len(self._mirrors) > len(curves):
            for forgotten in self._mirrors.keys() - curves.keys():
                self._mirrors.pop(forgotten).end()
        return bool(self._mirrors[ident].trial.should_prune())


class _Mirror:
    """The trial of a curve, and how much of the curve was reported to it."""

    def __init__(self, study: optuna.Study, curve: Curve) -> None:
        self.study, self.trial, self.curve = study, study.ask(), curve
        self.reported, self.ended = 0, False
        self._steps: set[int] = set()

    def follow(self, *, judged: bool) -> None:
        """Report the new points, and the end.

        Args:
            judged: Whether the pruner is asked at each point, as halving pruners record a trial's rungs only then.
        """
        curve = self.curve
        if not self.ended:
            for step, loss in self._new():
                self.trial.report(loss, step)
                self._steps.add(step)
                if judged:
                    self.trial.should_prune()
        self.reported = len(curve)
        if curve.ended:
            self.end(completed=curve.completed)

    def _new(self) -> Sequence[Point]:
        """Return the points that were not reported, which are the last ones unless steps are in another order."""
        new = self.curve[self.reported :]
        if len(self._steps.intersection(step for step, _ in new)) == 0:
            return new
        return [point for point in self.curve if point.step not in self._steps]

    def end(self, *, completed: bool = False) -> None:
        """Finish the trial, where it is not finished: as complete or as pruned."""
        from optuna.trial import TrialState

        if self.ended:
            return
        self.ended = True
        if completed:
            loss = self.curve.loss if math.isfinite(self.curve.loss) else self.curve[-1].loss
            self.study.tell(self.trial, loss, state=TrialState.COMPLETE)
        else:
            self.study.tell(self.trial, state=TrialState.PRUNED)
