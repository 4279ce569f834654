"""Reading the trials of Optuna's studies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from propulate_like.foundation.passwords import check_url, masked, without_password
from propulate_like.integrations.optuna.constraints import constrained
from propulate_like.integrations.optuna.sources import find_file
from propulate_like.population.outcome import OK, STOPPED, Outcome, Status
from propulate_like.problem.directions import Signs, signs_of
from propulate_like.storage.trial_table import Row, check_directions, judged, time_of

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

_STATES = {"COMPLETE": OK, "PRUNED": STOPPED, "FAIL": Status.ERROR}


def load_study(storage: str, name: str | None) -> Study:
    """Open a study, without creating anything.

    Args:
        storage: The URL of a database, or the path of a journal file.
        name: The study's name, or None for the only one.

    Raises:
        ValueError: There is no such study, or it cannot be read.
    """
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ImportError:
        message = "reading a study needs Optuna: pip install optuna"
        raise ValueError(message) from None
    check_url(storage)
    find_file(storage)
    names = []
    try:
        opened: str | BaseStorage = storage
        if "://" not in storage:
            opened = JournalStorage(JournalFileBackend(storage))
        names = optuna.get_all_study_names(opened)
        if name in names or (name is None and len(names) == 1):
            return optuna.load_study(study_name=name or names[0], storage=opened)
    except Exception as error:  # noqa: BLE001 (of the database, its driver or SQLAlchemy)
        raise ValueError(without_password(_unreadable(error), storage)) from None
    has = f"there are {', '.join(names)}" if names else "there is none"
    message = f"there is no study {name!r}: {has}" if name is not None else f"it must name one study: {has}"
    raise ValueError(message)


def study_rows(study: Study, signs: Signs) -> Iterator[Row]:
    """Return the evaluated trials of a study.

    Args:
        study: The study.
        signs: The search's signs: 1 for each loss that is minimized, -1 for each that is maximized.

    Raises:
        ValueError: The study has other directions, or cannot be read.
    """
    check_directions("it is", signs_of([direction.name.lower() for direction in study.directions]), signs)
    try:
        trials = study.get_trials(deepcopy=False)
    except Exception as error:  # noqa: BLE001 (as above)
        raise ValueError(masked(_unreadable(error))) from None
    return trial_rows(trials, signs)


def trial_rows(trials: Iterable[FrozenTrial], signs: Signs) -> Iterator[Row]:
    """Yield the evaluated trials.

    A pruned trial has its last intermediate value.
    """
    for trial in trials:
        status = _STATES.get(trial.state.name)
        if status is not None:
            yield Row(
                trial.params,
                _outcome(trial, status, signs),
                time_of(trial.duration and trial.duration.total_seconds()),
                time_of(trial.datetime_complete and trial.datetime_complete.timestamp()),
                distributions=trial.distributions,
            )


def _outcome(trial: FrozenTrial, status: Status, signs: Signs) -> Outcome:
    """Return the outcome of a finished trial with this status."""
    values = trial.values or ()
    if status is STOPPED:
        curve = trial.intermediate_values
        values = [curve[max(curve)]] if curve else ()
    elif status is not OK:
        return Outcome(status)
    if len(values) != len(signs):
        return Outcome.failure(Status.INVALID, "it has no loss, or others")
    return constrained(judged([sign * value for sign, value in zip(signs, values)], status), trial)


def _unreadable(error: Exception) -> str:
    """Return the message that a storage cannot be read."""
    return f"the storage cannot be read: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
