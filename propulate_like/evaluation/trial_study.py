"""What a trial has of Optuna's study and storage, for objectives and integrations that are written for these."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from propulate_like.foundation import values
from propulate_like.foundation.declarations import nearest
from propulate_like.population.individual import Individual
from propulate_like.population.outcome import storable
from propulate_like.population.pareto import losses_of
from propulate_like.problem.directions import directions_of, values_of

if TYPE_CHECKING:
    from optuna.study import StudyDirection
    from optuna.trial import FrozenTrial

    from propulate_like.evaluation.context import Evaluation, Task
    from propulate_like.evaluation.trial import Trial

NAME = "propulate-like"
"""The study's name where there is no run folder."""
ATTRIBUTES, STUDY_ATTRIBUTES = "system_attrs", "study_attrs"
"""The metrics that hold a trial's system attributes, and the user attributes that its evaluation gave the study."""

_NOT_ALL = "no rank knows all evaluations, so see result.individuals after the search, or give callbacks="
_ITSELF = "the search itself asks and tells"
_LACKS: dict[str, dict[str, str]] = {
    "trial": {
        "relative_search_space": "the values that were bred are trial.relative_params",
        "_cached_frozen_trial": "there is no frozen trial, but trial.params, user_attrs and distributions",
        "_get_latest_trial": "there is no frozen trial, but trial.params, user_attrs and distributions",
    },
    "trial.study": {
        "trials": _NOT_ALL,
        "get_trials": _NOT_ALL,
        "trials_dataframe": "no rank knows all evaluations, so see result.to_dataframe() after the search",
        "best_trials": "no rank knows all evaluations, so see result.front after the search",
        "ask": _ITSELF,
        "tell": _ITSELF,
        "optimize": _ITSELF,
        "enqueue_trial": "an evaluation adds none to the search",
        "add_trial": "an evaluation adds none to the search, which takes earlier ones from warm_start=",
        "add_trials": "an evaluation adds none to the search, which takes earlier ones from warm_start=",
        "sampler": "what breeds is the search's propagator=",
        "pruner": "what judges is the search's pruner=, by way of trial.should_prune()",
        "metric_names": "losses have no names here, but metrics have: trial.set_user_attr",
        "set_metric_names": "losses have no names here, but metrics have: trial.set_user_attr",
    },
    "trial.storage": {},
}


def reason(place: str, name: str) -> str | None:
    """Return why something of Optuna's is not there; None where it is there, or Optuna has nothing of the name.

    Args:
        place: "trial", "trial.study" or "trial.storage".
        name: The attribute's name.
    """
    if place == "trial.storage" and not name.startswith("__") and not hasattr(TrialStorage, name):
        return "there is no storage, but the run's folder: a trial's storage has its attributes alone"
    return _LACKS[place].get(name)


def refuse(place: str, name: str, known: object) -> NoReturn:
    """Raise the error of an attribute that is not there.

    Raises:
        AttributeError: The message is one line that says why.
    """
    why = reason(place, name)
    if why is None:
        why = f"Optuna has none either{nearest(name, [each for each in dir(known) if not each.startswith('_')])}"
    message = f"{place}.{name} is not there: {why}"
    raise AttributeError(message)


class Attributes(dict[str, Any]):
    """Attributes by their names, as JSON can hold them."""

    def put(self, key: str, value: Any) -> None:
        """Set one; an array becomes a list."""
        plain = value if isinstance(value, list | tuple | dict) else values.tree(value)
        self[str(storable(key))] = storable(plain)


class TrialStudy:
    """The search as one evaluation sees it, in the form of Optuna's study.

    Of the best evaluation it knows what this rank knew when the evaluation began: user attributes only of a best one
    that this rank has evaluated itself. User attributes of the study are those that evaluations of this process have
    set; each individual keeps those that its own evaluation has set, as the metric `study_attrs`.

    Attributes:
        stopping: Whether the search is to stop once this evaluation has ended.
        given: The user attributes that this evaluation has set.
    """

    def __init__(self, trial: Trial, task: Task, evaluation: Evaluation, attributes: Attributes) -> None:
        """Look at a search.

        Args:
            trial: The evaluation's trial.
            task: Its task.
            evaluation: Its context.
            attributes: The user attributes that evaluations of this process have set.
        """
        self.stopping: bool = False
        self.given: Attributes = Attributes()
        self._trial, self._task, self._size = trial, task, evaluation.size
        self._signs, self._attributes = evaluation.signs, attributes
        self._study_id = 0
        self._storage: TrialStorage = TrialStorage(trial, self)
        self.system_attrs: Attributes = Attributes()

    @property
    def study_name(self) -> str:
        """The name of the run's folder."""
        trials = Path(self._task.trials)
        return trials.parent.name if trials.name == "trials" else NAME

    @property
    def directions(self) -> list[StudyDirection]:
        """The direction of each loss."""
        from optuna.study import StudyDirection

        return [StudyDirection[direction.upper()] for direction in directions_of(self._signs)]

    @property
    def direction(self) -> StudyDirection:
        """The direction of the only loss.

        Raises:
            RuntimeError: There are several losses.
        """
        self._check_single("direction")
        return self.directions[0]

    @property
    def best_trial(self) -> FrozenTrial:
        """The best evaluation that this rank knew when the evaluation began.

        Raises:
            ValueError: None has succeeded.
            RuntimeError: There are several losses, or this is a team's evaluation.
        """
        from optuna.trial import FrozenTrial, TrialState

        best = self._best("best_trial")
        params = best.params
        distributions = {name: parameter.distribution() for name, parameter in best.space.items() if name in params}
        number = best.id.serial * self._task.ranks + best.id.rank
        metrics = dict(best.metrics)
        attributes = metrics.pop(ATTRIBUTES, {})
        moments = [datetime.fromtimestamp(max(moment, 0.0)) for moment in (best.ended - best.seconds, best.ended)]  # noqa: DTZ006 (naive, as Optuna's are)
        return FrozenTrial(
            number=number,
            trial_id=number,
            state=TrialState.COMPLETE,
            value=self.best_value,
            datetime_start=moments[0],
            datetime_complete=moments[1],
            params=params,
            distributions=distributions,
            user_attrs=metrics,
            system_attrs=dict(attributes) if isinstance(attributes, Mapping) else {},
            intermediate_values={},
        )

    @property
    def best_value(self) -> float:
        """The best evaluation's value, as the function returned it; errors as of `best_trial`."""
        return values_of(losses_of(self._best("best_value")), self._signs)[0]

    @property
    def best_params(self) -> dict[str, Any]:
        """The best evaluation's parameters; errors as of `best_trial`."""
        return self._best("best_params").params

    @property
    def user_attrs(self) -> dict[str, Any]:
        """The user attributes of the study."""
        return dict(self._attributes)

    def set_user_attr(self, key: str, value: Any) -> None:
        """Set a user attribute of the study, for the evaluations of this process."""
        self._attributes.put(key, value)
        self.given.put(key, value)

    def set_system_attr(self, key: str, value: Any) -> None:
        """Set a system attribute of the study, for this evaluation."""
        self.system_attrs.put(key, value)

    def stop(self) -> None:
        """Stop the search on all ranks once this evaluation has ended; those under way are finished."""
        self.stopping = True

    if not TYPE_CHECKING:  # which is to find misspelled names itself

        def __getattr__(self, name: str) -> NoReturn:
            refuse("trial.study", name, type(self))

    def _best(self, name: str) -> Individual:
        self._check_single(name)
        if self._size > 1:
            message = f"trial.study.{name} is not there in a team, whose members may not know the same"
            raise RuntimeError(message)
        if self._task.best is None:
            message = "No trials are completed yet."
            raise ValueError(message)
        return self._task.best

    def _check_single(self, name: str) -> None:
        if len(self._signs) > 1:
            message = f"trial.study.{name} is not there, as there are {len(self._signs)} losses"
            raise RuntimeError(message)


class TrialStorage:
    """The attributes of one evaluation, in the form of Optuna's storage: what integrations write there."""

    def __init__(self, trial: Trial, study: TrialStudy) -> None:
        self._trial, self._study = trial, study

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set a system attribute of the trial."""
        self._own(trial_id).set_system_attr(key, value)

    def get_trial_system_attrs(self, trial_id: int) -> dict[str, Any]:
        """Return the trial's system attributes."""
        return self._own(trial_id).system_attrs

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set a user attribute of the trial."""
        self._own(trial_id).set_user_attr(key, value)

    def get_trial_user_attrs(self, trial_id: int) -> dict[str, Any]:
        """Return the trial's user attributes."""
        return dict(self._own(trial_id).user_attrs)

    def get_trial_params(self, trial_id: int) -> dict[str, Any]:
        """Return the parameters asked for so far."""
        return dict(self._own(trial_id).params)

    def get_trial_number_from_id(self, trial_id: int) -> int:
        """Return the trial's number."""
        return self._own(trial_id).number

    def set_study_user_attr(self, _study_id: int, key: str, value: Any) -> None:
        """Set a user attribute of the study."""
        self._study.set_user_attr(key, value)

    def get_study_user_attrs(self, _study_id: int) -> dict[str, Any]:
        """Return the study's user attributes."""
        return self._study.user_attrs

    def set_study_system_attr(self, _study_id: int, key: str, value: Any) -> None:
        """Set a system attribute of the study, for this evaluation."""
        self._study.set_system_attr(key, value)

    def get_study_system_attrs(self, _study_id: int) -> dict[str, Any]:
        """Return the study's system attributes."""
        return dict(self._study.system_attrs)

    def get_study_name_from_id(self, _study_id: int) -> str:
        """Return the study's name."""
        return self._study.study_name

    def get_study_directions(self, _study_id: int) -> list[StudyDirection]:
        """Return the direction of each loss."""
        return self._study.directions

    if not TYPE_CHECKING:  # as above

        def __getattr__(self, name: str) -> NoReturn:
            refuse("trial.storage", name, type(self))

    def _own(self, trial_id: int) -> Trial:
        """Return the trial.

        Raises:
            KeyError: Another one is meant.
        """
        if trial_id != self._trial.number:
            message = f"trial {trial_id} is not there: {_NOT_ALL}"
            raise KeyError(message)
        return self._trial
