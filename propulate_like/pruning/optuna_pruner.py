"""Any of Optuna's pruners as a rule of this package."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from propulate_like import declarations
from propulate_like.individual import Id
from propulate_like.pruning.curves import Curve, Curves
from propulate_like.pruning.pruner import Pruner

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
        made = _made(pruner, arguments)
        self.pruner = pruner if isinstance(pruner, str) else type(pruner).__name__
        self.arguments = None if arguments is None else dict(arguments)
        self._judges_all = type(made).__name__ not in _STATELESS
        self._study = _quiet_study(made)
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


def _made(pruner: object, arguments: Mapping[str, Any] | None = None) -> optuna.pruners.BasePruner:
    try:
        import optuna
    except ImportError:
        message = "OptunaPruner needs Optuna: pip install optuna"
        raise ValueError(message) from None
    if isinstance(pruner, optuna.pruners.BasePruner):
        if arguments:
            message = f"arguments={arguments!r} must be left out where pruner is an instance"
            raise ValueError(message)
        return pruner
    names = [name for name in optuna.pruners.__all__ if name != "BasePruner"]
    if pruner not in names:
        message = f"pruner={pruner!r} must be one of Optuna's{declarations.nearest(pruner, names)}"
        raise ValueError(message)
    if arguments is not None and not isinstance(arguments, Mapping):
        message = f"arguments={arguments!r} must be a mapping such as {{min_resource: 1}}"
        raise ValueError(message)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        try:
            made = declarations.build(getattr(optuna.pruners, str(pruner)), [], arguments or {}, _nested)
        except (TypeError, ValueError) as error:
            message = f"{pruner}: {error}"
            raise ValueError(message) from None
    return made  # type: ignore[no-any-return]  # it is one of Optuna's pruners


def _nested(annotation: object, value: Any) -> Any:
    """Make the pruner that another one wraps, given as a name or as {name: arguments}."""
    if "BasePruner" not in str(annotation):
        return value
    if isinstance(value, Mapping) and len(value) == 1:
        return _made(*next(iter(value.items())))
    return _made(value) if isinstance(value, str) else value


def _quiet_study(pruner: optuna.pruners.BasePruner) -> optuna.Study:
    """Create a study that nobody is told of; of the same name everywhere, by which Hyperband draws brackets."""
    import optuna

    with _muted("optuna.storages._in_memory"):
        sampler = optuna.samplers.RandomSampler(seed=0)
        return optuna.create_study(sampler=sampler, pruner=pruner, study_name="propulate-like")


@contextmanager
def _muted(name: str) -> Iterator[None]:
    """Drop what this thread, and no other, logs under this name meanwhile."""
    logger, thread = logging.getLogger(name), threading.get_ident()

    def elsewhere(record: logging.LogRecord) -> bool:
        return record.thread != thread

    logger.addFilter(elsewhere)
    try:
        yield
    finally:
        logger.removeFilter(elsewhere)
