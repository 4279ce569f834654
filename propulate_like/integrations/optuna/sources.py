"""Optuna's studies and trials as sources of a warm start."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from propulate_like.foundation.passwords import check_url, masked
from propulate_like.foundation.user_paths import user_path
from propulate_like.storage import warm_start
from propulate_like.storage.trial_table import Row
from propulate_like.storage.warm_start import Aim, Source, without_fidelity

_SQLITE = re.compile(r"sqlite(\+\w+)?:///")


class _Study:
    """An Optuna study, or one in a storage."""

    def __init__(self, study: Any = None, storage: str = "", of: str | None = None) -> None:
        """Store the `study`, or the one with the name `of` in the `storage`."""
        self._study, self._storage, self._of = study, storage, of
        self.declaration: Any
        if study is not None:
            self.name = self.declaration = f"the study {study.study_name!r}"
        else:
            self.name = f"the study {'' if of is None else f'{of!r} '}in {masked(storage)}"
            self.declaration = {"storage": masked(storage)} | ({} if of is None else {"study": of})

    def find(self) -> None:
        if self._study is None:
            check_url(self._storage)
            find_file(self._storage)

    def entries(self, aim: Aim) -> Iterable[Row]:
        from propulate_like.integrations.optuna.trials import load_study, study_rows

        without_fidelity(aim)
        study = load_study(self._storage, self._of) if self._study is None else self._study
        return study_rows(study, aim.signs)


class _Trials:
    """Optuna trials, whose directions are assumed to be the search's."""

    def __init__(self, trials: Sequence[Any]) -> None:
        self._trials = trials
        self.name = self.declaration = f"{len(trials)} trials"

    def find(self) -> None:
        """Do nothing, as they are at hand."""

    def entries(self, aim: Aim) -> Iterable[Row]:
        from propulate_like.integrations.optuna.trials import trial_rows

        without_fidelity(aim)
        return trial_rows(self._trials, aim.signs)


def find_file(storage: str) -> None:
    """See that a storage that is a file is there.

    Raises:
        ValueError: It is not.
    """
    path = Path(_SQLITE.sub("", storage).partition("?")[0])
    if ("://" not in storage or _SQLITE.match(storage)) and not path.is_file():
        message = f"there is no file {path}"
        raise ValueError(message)


def stored(storage: str, study: str | None = None) -> Source:
    """Return the source of a study in a storage.

    Args:
        storage: The storage's URL, or the path of a journal file.
        study: The study's name, which may be None where the storage has only one study.

    Raises:
        ValueError: An argument is no text, or the path can be none.
    """
    for name, value in (("storage", storage), ("study", study)):
        if not isinstance(value, str) and not (name == "study" and value is None):
            message = f"{name}={value!r} must be a text"
            raise ValueError(message)
    return _Study(storage=storage if "://" in storage else str(user_path(storage)), of=study)


def source(form: Any) -> Source | None:
    """Return the source of a study or a list of trials, or None for any other object."""
    if hasattr(form, "get_trials") and hasattr(form, "study_name"):
        return _Study(form)
    several = isinstance(form, list | tuple) and bool(form)
    if several and all(hasattr(each, "distributions") and hasattr(each, "state") for each in form):
        return _Trials(form)
    return None


warm_start.READERS.append(source)
warm_start.FORMS.append(stored)
