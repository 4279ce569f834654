"""Any of Optuna's pruners as a rule of this package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from propulate_like.evaluation.pruning.curves import Curve, Curves
from propulate_like.evaluation.pruning.pruner import Pruner
from propulate_like.integrations.optuna.studies import made, quiet_study
from propulate_like.population.individual import Id

if TYPE_CHECKING:
    import optuna

_STATELESS = {"MedianPruner", "NopPruner", "PercentilePruner", "ThresholdPruner", "WilcoxonPruner"}


class OptunaPruner(Pruner):
    """One of Optuna's pruners: the name of its class with its `arguments`, or an instance.

    Every known curve becomes a trial of a study in memory, private to this rank, in the order in which the rank learns
    of them: complete where the evaluation completed, pruned where it was stopped or failed. A pruner within another is
    written likewise: `OptunaPruner("PatientPruner", {"wrapped_pruner": "MedianPruner", "patience": 3})`. In YAML an
    instance stands by its class's name alone.
    """

    def __init__(self, pruner: object, arguments: Mapping[str, Any] | None = None) -> None:
        """ValueError where Optuna is missing, has no such pruner, or that refuses its arguments."""
        instance = made("pruner", pruner, arguments)
        self.pruner: str = pruner if isinstance(pruner, str) else type(pruner).__name__
        self.arguments: dict[str, Any] | None = None if arguments is None else dict(arguments)
        self._judges_all = type(instance).__name__ not in _STATELESS
        self._study = quiet_study(pruner=instance)
        self._mirrors: dict[Id, _Mirror] = {}

    def stops(self, ident: Id, curves: Curves) -> bool:
        for other, curve in curves.items():
            mirror = self._mirrors.get(other)
            if mirror is not None and mirror.reported > len(curve):  # it is tried again
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
    """A curve's trial, and how much of the curve the trial has."""

    def __init__(self, study: optuna.Study) -> None:
        self.study, self.trial = study, study.ask()
        self.reported, self.last, self.ended = 0, 0.0, False

    def follow(self, curve: Curve, *, judged: bool) -> None:
        """Report what is new. Halving pruners note a trial's rungs when asked about it, so each step is `judged`."""
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
        from optuna.trial import TrialState

        if self.ended:
            return
        self.ended = True
        if completed:
            self.study.tell(self.trial, self.last, state=TrialState.COMPLETE)
        else:
            self.study.tell(self.trial, state=TrialState.PRUNED)
