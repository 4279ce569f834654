"""Optuna's callbacks, which take a study and a trial, as callbacks of a search."""

# ruff: noqa: SLF001 (the study is private to the callback, and has no other way to the trial that was added)

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from propulate_like.evaluation.trial_study import NAME
from propulate_like.foundation.declarations import nearest
from propulate_like.integrations.optuna.finished import Trials
from propulate_like.integrations.optuna.studies import muted
from propulate_like.population.individual import Individual
from propulate_like.problem.directions import signs_of
from propulate_like.search.callbacks.callback import METHODS, READERS, Callback

if TYPE_CHECKING:
    from optuna import Study

    from propulate_like.search.callbacks.watched_search import WatchedSearch

_HOMES = {"TerminatorCallback": "optuna.terminator", "MaxTrialsCallback": "optuna.study"}
_PACKAGES = {"optuna", "optuna_integration"}


class OptunaCallback(Callback):
    """Call one of Optuna's callbacks, or a function of a study and a trial, for each evaluation.

    Evaluations become trials of a study in memory that is private to the callback, those of earlier sessions first.
    `study.stop()` stops the search.

    Args:
        callback: The callback, or the name of its class: TerminatorCallback, MaxTrialsCallback.
        arguments: The arguments of the class.
    """

    def __init__(self, callback: Any, arguments: Mapping[str, Any] | None = None) -> None:
        """Create the callback.

        Raises:
            ValueError: There is no such class, it refuses its arguments, or Optuna is missing.
        """
        self.callback: Any = callback
        self.arguments: Mapping[str, Any] | None = arguments
        self._function = callback
        if isinstance(callback, str):
            self._function = _made(callback, arguments or {})
        elif not callable(callback) or arguments is not None:
            message = f"callback={callback!r:.80} must be a callback of Optuna's, or the name of its class"
            raise ValueError(message)
        self._study: Study | None = None
        self._trials: Trials | None = None

    def on_start(self, search: WatchedSearch) -> None:
        """Create the study, with the evaluations of earlier sessions."""
        import optuna

        with muted("optuna.storages._in_memory"):
            name = NAME if search.run is None else search.run.resolve().name
            directions = [optuna.study.StudyDirection[direction.upper()] for direction in search.directions]
            self._study = optuna.create_study(study_name=name, directions=directions)
        self._study.stop = search.stop  # type: ignore[method-assign]  # Optuna's own needs `optimize` around it
        self._trials = Trials(signs_of(search.directions), search.rungs)
        for individual in search.known():
            self._add(individual)

    def on_evaluated(self, search: WatchedSearch, individual: Individual) -> None:
        """Add the trial, and call the callback with it."""
        number = self._add(individual)
        if self._study is not None:
            self._function(self._study, self._study._storage.get_trial(number))

    def _add(self, individual: Individual) -> int:
        """Add an individual to the study, and return its trial's id."""
        if self._study is None or self._trials is None:
            message = "a search calls on_start first"
            raise RuntimeError(message)
        return int(self._study._storage.create_new_trial(self._study._study_id, self._trials.trial(individual)))


def _made(name: str, arguments: Mapping[str, Any]) -> Any:
    """Return an instance of one of Optuna's callbacks."""
    if name not in _HOMES:
        message = f"callback={name!r} must be one of Optuna's{nearest(name, list(_HOMES))}"
        raise ValueError(message)
    try:
        return getattr(import_module(_HOMES[name]), name)(**arguments)
    except ImportError:
        message = f"callback={name!r} needs Optuna: pip install optuna"
        raise ValueError(message) from None
    except (TypeError, ValueError) as error:
        message = f"{name}: {error}"
        raise ValueError(message) from None


def _of_optuna(form: Any) -> Callback | None:
    """Return the callback of an object of Optuna's, or None for any other object."""
    packages = {kind.__module__.partition(".")[0] for kind in type(form).__mro__}
    known = any(hasattr(form, method) for method in METHODS)
    return OptunaCallback(form) if packages & _PACKAGES and callable(form) and not known else None


READERS.append(_of_optuna)
