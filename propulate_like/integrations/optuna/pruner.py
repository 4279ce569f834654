"""Any Optuna pruner as a pruning rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from propulate_like.evaluation.pruning.curves import Curve, Curves
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
            if mirror is not None and mirror.reported > len(curve):  # the evaluation was started again
                mirror.end(completed=False)
                mirror = None
            if mirror is None:
                mirror = self._mirrors[other] = _Mirror(self._study)
            if mirror.reported < len(curve) or mirror.ended != curve.ended:
                mirror.follow(curve, judged=self._judges_all and other != ident)
        if len(self._mirrors) > len(curves):
            for forgotten in self._mirrors.keys() - curves.keys():
                self._mirrors.pop(forgotten).end(completed=False)
        return bool(self._mirrors[ident].trial.should_prune())


class _Mirror:
    """The trial of a curve, and how much of the curve was reported to it."""

    def __init__(self, study: optuna.Study) -> None:
        self.study, self.trial = study, study.ask()
        self.reported, self.last, self.ended = 0, 0.0, False

    def follow(self, curve: Curve, *, judged: bool) -> None:
        """Report the new points.

        Args:
            curve: The curve.
            judged: Whether the pruner is asked at each point, as halving pruners record a trial's rungs only then.
        """
        if not self.ended:
            for step, loss in curve[self.reported :]:
                self.trial.report(loss, step)
                self.last = loss
                if judged:
                    self.trial.should_prune()
        self.reported = len(curve)
        if curve.ended:
            self.end(completed=curve.completed)

    def end(self, *, completed: bool) -> None:
        """Finish the trial, where it is not finished: as complete or as pruned."""
        from optuna.trial import TrialState

        if self.ended:
            return
        self.ended = True
        if completed:
            self.study.tell(self.trial, self.last, state=TrialState.COMPLETE)
        else:
            self.study.tell(self.trial, state=TrialState.PRUNED)
