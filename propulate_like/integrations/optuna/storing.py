"""Studies in Optuna's storages, to which many finished trials can be added at once."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from propulate_like.foundation.files import refuse_link
from propulate_like.foundation.passwords import check_url
from propulate_like.integrations.optuna.choices import check_told_apart, internal
from propulate_like.integrations.optuna.finished import EARLIEST, PREFIX

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.storages import BaseStorage, JournalStorage, RDBStorage
    from optuna.storages.journal import BaseJournalBackend
    from optuna.trial import FrozenTrial
    from sqlalchemy import Connection, Table

_SCHEMAS = ("v3.2.0.a",)  # versions of the tables that are filled here: those of Optuna 4 and 5
_CREATE_TRIAL = 4  # the code of this operation in a journal

_ID = f"{PREFIX}id"
_URL = re.compile(r"([\w+]+)://.*", re.DOTALL)
_SQLITE = (".db", ".sqlite", ".sqlite3")
_IN_MEMORY = ("sqlite://", "sqlite:///", "sqlite:///:memory:")
_LOCKED_SECONDS = 60.0  # for which others may lock an SQLite file

_NOT_FINITE = {"nan": "NAN", "inf": "INF_POS", "-inf": "INF_NEG"}
_ZONES = 900  # seconds: local times of one moment differ by a multiple of it

Source = tuple[str, int]
"""The key of an individual: its id and the end of its evaluation, as precisely as all storages keep it."""


def source(ident: str, ended: float) -> Source:
    """Return the key of an individual.

    Args:
        ident: The individual's id.
        ended: The end of its evaluation, in Unix time.
    """
    return ident, moment(ended)


def moment(ended: float) -> int:
    """Return the part of a time, in Unix time, that all storages keep.

    Some databases keep only whole seconds, and a local time is ambiguous when clocks are set back.
    """
    return math.floor(round(max(ended, EARLIEST), 6) + 0.5) % _ZONES


def open_study(target: str, name: str, directions: Sequence[str]) -> Study:
    """Open a study in a database or a journal file; what does not exist is created.

    Args:
        target: The URL of a database, or the path of a journal file.
        name: The study's name.
        directions: The direction of each loss.

    Raises:
        ValueError: The study has other directions, or the target is no storage.
        Exception: Any exception of the storage.
    """
    import optuna

    check_url(target)
    known = optuna.__version__.startswith(("4.", "5."))
    if target in _IN_MEMORY:
        message = "that database is in memory, and gone with this command: name a file, as sqlite:///x.db"
        raise ValueError(message)
    refuse_link(_file_of(target))
    if _URL.fullmatch(target):
        waiting = {"connect_args": {"timeout": _LOCKED_SECONDS}} if target.startswith("sqlite") else {}
        database = optuna.storages.RDBStorage(target, engine_kwargs=waiting)
        study_id = _study_id(database, name, directions)
        if known and database.get_current_version() in _SCHEMAS:
            return Tables(database, study_id)
        return Study(database, study_id)
    if target.endswith(_SQLITE):
        message = f"a path is that of a journal file, and a database is sqlite:///{target}"
        raise ValueError(message)
    from propulate_like.integrations.optuna.journal_lock import JournalLock

    backend = optuna.storages.journal.JournalFileBackend(target, JournalLock(target))
    try:
        journal = optuna.storages.JournalStorage(backend)
    except (ValueError, KeyError, TypeError):
        message = "it is no journal file of Optuna's"
        raise ValueError(message) from None
    study_id = _study_id(journal, name, directions)
    return Log(journal, study_id, backend) if known else Study(journal, study_id)


def _file_of(target: str) -> Path:
    """Return the file of an SQLite database or a journal; the working directory where the target has none."""
    if not _URL.fullmatch(target):
        return Path(target)
    from sqlalchemy.engine import make_url

    return Path(make_url(target).database or "") if target.startswith("sqlite") else Path()


def _study_id(storage: BaseStorage, name: str, directions: Sequence[str]) -> int:
    """Return the id of a study, which is created where it does not exist.

    Raises:
        ValueError: The study has other directions.
    """
    from optuna.study import StudyDirection

    wanted = [StudyDirection[direction.upper()] for direction in directions]
    for study in storage.get_all_studies():
        if study.study_name == name:
            if list(study.directions) != wanted:
                message = f"its study {name!r} is not of this run, as it has other directions"
                raise ValueError(message)
            return int(study._study_id)  # noqa: SLF001
    return int(storage.create_new_study(wanted, name))


class Study:
    """A study in any storage of Optuna's, which writes the trials one by one, some milliseconds each."""

    def __init__(self, storage: BaseStorage, study_id: int) -> None:
        import optuna

        self._storage, self._study_id = storage, study_id
        self._described: dict[str, object] = {}
        self._universal = not optuna.__version__.startswith("4.")
        """Whether times are stored as UTC; before Optuna 5 they were local."""

    def attributes(self) -> dict[str, Any]:
        """Return the study's user attributes."""
        return dict(self._storage.get_study_user_attrs(self._study_id))

    def describe(self, attributes: Mapping[str, object]) -> None:
        """Set the study's user attributes, as far as they have changed."""
        for name, value in attributes.items():
            if name not in self._described or self._described[name] != value:
                self._storage.set_study_user_attr(self._study_id, name, value)
        self._described |= attributes

    def sources(self) -> Iterator[Source | None]:
        """Yield the key of each trial's individual, or None where a trial has none."""
        for trial in self._storage.get_all_trials(self._study_id, deepcopy=False):
            ident, complete = trial.user_attrs.get(_ID), trial.datetime_complete
            yield source(ident, complete.timestamp()) if ident and complete else None

    def add(self, trials: Sequence[FrozenTrial]) -> None:
        """Append finished trials, whose values are all finite."""
        for trial in trials:
            for distribution in trial.distributions.values():
                check_told_apart(distribution)
            self._storage.create_new_trial(self._study_id, trial)

    def _kept(self, moment: datetime | None) -> datetime:
        """Return a time in the form in which the study stores it.

        Raises:
            ValueError: It is None, which a finished trial does not have.
        """
        if moment is None:
            message = "a trial without a moment is none that was finished"
            raise ValueError(message)
        return moment.astimezone(UTC) if self._universal else moment


class Log(Study):
    """A study in a journal file, to which trials are added in Optuna's own form, but many at a time."""

    def __init__(self, storage: JournalStorage, study_id: int, backend: BaseJournalBackend) -> None:
        super().__init__(storage, study_id)
        self._backend = backend

    def add(self, trials: Sequence[FrozenTrial]) -> None:
        forms = _Forms()
        self._backend.append_logs([self._operation(trial, forms) for trial in trials])

    def _operation(self, trial: FrozenTrial, forms: _Forms) -> dict[str, Any]:
        """Return the journal's operation that creates a trial."""
        params, several = trial.params, len(trial.values or ()) > 1
        return {
            "op_code": _CREATE_TRIAL,
            "worker_id": "propulate-like",
            "study_id": self._study_id,
            "datetime_start": self._kept(trial.datetime_start).isoformat(timespec="microseconds"),
            "state": int(trial.state),
            "value": None if several else trial.value,
            "values": trial.values if several else None,
            "datetime_complete": self._kept(trial.datetime_complete).isoformat(timespec="microseconds"),
            "distributions": {name: forms(each) for name, each in trial.distributions.items()},
            "params": {name: internal(each, params[name]) for name, each in trial.distributions.items()},
            "user_attrs": trial.user_attrs,
            "system_attrs": trial.system_attrs,
            "intermediate_values": trial.intermediate_values,
        }


class Tables(Study):
    """A study in a database, whose tables are filled directly."""

    def __init__(self, storage: RDBStorage, study_id: int) -> None:
        from sqlalchemy import MetaData

        super().__init__(storage, study_id)
        self._engine = storage.engine
        metadata = MetaData()
        metadata.reflect(self._engine, only=["trials", *_FILLED])
        self._tables: Mapping[str, Table] = metadata.tables

    def sources(self) -> Iterator[Source | None]:
        from sqlalchemy import and_, select

        trials, attributes = self._tables["trials"], self._tables["trial_user_attributes"]
        named = and_(attributes.c.trial_id == trials.c.trial_id, attributes.c.key == _ID)
        query = (
            select(attributes.c.value_json, trials.c.datetime_complete)
            .select_from(trials.outerjoin(attributes, named))
            .where(trials.c.study_id == self._study_id)
        )
        with self._engine.connect() as connection:
            for ident, complete in connection.execute(query):
                if ident and complete:
                    moment = complete.replace(tzinfo=UTC) if self._universal else complete
                    yield source(json.loads(ident), moment.timestamp())
                else:
                    yield None

    def add(self, trials: Sequence[FrozenTrial]) -> None:
        with self._engine.begin() as connection:
            ids = self._number(connection, trials)
            for name, rows in _rows(trials, ids).items():
                if rows:
                    connection.execute(self._tables[name].insert(), rows)

    def _number(self, connection: Connection, trials: Sequence[FrozenTrial]) -> list[int]:
        """Add the rows of the trials, and return their ids, which rows in other tables refer to."""
        from sqlalchemy import func, select

        table = self._tables["trials"]
        ours = table.c.study_id == self._study_id
        first = connection.scalar(select(func.count(table.c.trial_id)).where(ours)) or 0
        rows = [
            {
                "number": number,
                "study_id": self._study_id,
                "state": trial.state.name,
                "datetime_start": self._kept(trial.datetime_start).replace(tzinfo=None),
                "datetime_complete": self._kept(trial.datetime_complete).replace(tzinfo=None),
            }
            for number, trial in enumerate(trials, first)
        ]
        connection.execute(table.insert(), rows)
        added = select(table.c.trial_id).where(ours, table.c.number >= first).order_by(table.c.number)
        return list(connection.scalars(added))


_FILLED = (
    "trial_values",
    "trial_params",
    "trial_user_attributes",
    "trial_system_attributes",
    "trial_intermediate_values",
)


def _rows(trials: Sequence[FrozenTrial], ids: Sequence[int]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each table other than that of the trials."""
    tables: dict[str, list[dict[str, Any]]] = {name: [] for name in _FILLED}
    values, params, attributes, system, intermediates = tables.values()
    forms = _Forms()
    for trial, ident in zip(trials, ids):
        for objective, value in enumerate(trial.values or ()):
            values.append({"trial_id": ident, "objective": objective, "value": value, "value_type": "FINITE"})
        chosen = trial.params
        for name, distribution in trial.distributions.items():
            value = internal(distribution, chosen[name])
            params.append(
                {"trial_id": ident, "param_name": name, "param_value": value, "distribution_json": forms(distribution)}
            )
        for rows, known in ((attributes, trial.user_attrs), (system, trial.system_attrs)):
            for key, attribute in known.items():
                rows.append({"trial_id": ident, "key": key, "value_json": json.dumps(attribute)})
        for step, value in trial.intermediate_values.items():
            finite = math.isfinite(value)
            kind = "FINITE" if finite else _NOT_FINITE[str(value)]
            stored = {"intermediate_value": value if finite else None, "intermediate_value_type": kind}
            intermediates.append({"trial_id": ident, "step": step, **stored})
    return tables


class _Forms:
    """A cache of distributions in written form, by identity: the distributions must live as long as the cache."""

    def __init__(self) -> None:
        from optuna.distributions import distribution_to_json

        self._write, self._written = distribution_to_json, dict[int, str]()

    def __call__(self, distribution: BaseDistribution) -> str:
        form = self._written.get(id(distribution))
        if form is None:
            form = self._written[id(distribution)] = self._write(distribution)
        return form
