"""Warm starts: a search starts from what another search, or other software, evaluated before."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from propulate_like.foundation import declarations
from propulate_like.foundation.passwords import masked
from propulate_like.foundation.user_paths import user_path
from propulate_like.population.individual import ELSEWHERE, Candidate, Id, Individual
from propulate_like.population.learned_space import as_asked
from propulate_like.problem.directions import Signs, signs_of
from propulate_like.problem.fidelity import Fidelity
from propulate_like.problem.space import Space
from propulate_like.storage.fork import matching_rungs, metric_of, translated
from propulate_like.storage.run import Run
from propulate_like.storage.trial_table import Row, check_directions, read_csv, read_rows

_EXAMPLE = "a run's folder, a CSV file, {storage: sqlite:///x.db, study: NAME}, a study, a table, or a list of these"

_ABSENT = f"there is no such folder or file: {_EXAMPLE}"


class Aim(NamedTuple):
    """The properties of a search by which it chooses individuals: its space, and what its losses mean.

    Attributes:
        space: The search's space, which is empty where the loss asks for its parameters.
        signs: 1 for each loss that is minimized, -1 for each that is maximized.
        fidelity: The search's fidelity, or None.
        metric: The metric that is used as the loss, or None.
    """

    space: Space
    signs: Signs
    fidelity: Fidelity | None
    metric: str | None


class WarmStart:
    """The evaluations of other searches from which a search starts.

    Every rank knows these individuals, as if another rank had evaluated them: propagators breed from them, models are
    fitted to them and to the failures among them, and none of their points is evaluated again. They are not the
    search's own: they do not count, do not migrate, and are in no journal.
    """

    def __init__(self, form: Any = None) -> None:
        """Store one source, several in a list, or none; nothing is read yet.

        Args:
            form: A source is a run's folder, a CSV file, a mapping of Optuna's `storage` and `study`, an
                `optuna.Study`, a list of its trials, or a table: a DataFrame, or a list of mappings.

        Raises:
            ValueError: It is no source.
        """
        several = isinstance(form, list | tuple) and not _is_table(form) and not _known_whole(form)
        self._sources = [] if form is None else [_source(each) for each in (form if several else [form])]

    @classmethod
    def of(cls, form: Any) -> WarmStart:
        """Return a warm start as it is, or make one from its sources.

        Raises:
            ValueError: `form` is no source.
        """
        return form if isinstance(form, WarmStart) else cls(form)

    def declaration(self) -> Any:
        """Return the sources as YAML can hold them, or None where there is none; objects in memory are described."""
        forms = [source.declaration for source in self._sources]
        return forms[0] if len(forms) == 1 else forms or None

    def find(self) -> None:
        """See that the folders and files exist, without reading them.

        Raises:
            ValueError: One does not.
        """
        for source in self._sources:
            try:
                source.find()
            except ValueError as error:
                message = f"{source.name}: {error}"
                raise ValueError(message) from None

    def read(
        self,
        space: Space,
        directions: Sequence[str] | None = None,
        fidelity: Fidelity | None = None,
        metric: str | None = None,
        tell: Callable[[str], None] = lambda _news: None,
    ) -> list[Individual]:
        """Read all sources, and return the individuals that fit the search, in their order.

        Individuals with a param that the space does not have, or without one that it has, are left out.

        Args:
            space: The search's space. Where it is empty, as the loss asks for its parameters, each individual has a
                space of its own.
            directions: The direction of each loss, or None where a single one is minimized.
            fidelity: The search's fidelity, or None.
            metric: The metric that is used as the loss, or None.
            tell: Receives a message for each source, which says how many of its individuals fit.

        Raises:
            ValueError: A source cannot be read, has losses of other directions, or no individual of any source fits.
        """
        aim = Aim(space, signs_of(directions), fidelity, metric)
        known: list[Individual] = []
        reasons: list[str] = []
        for source in self._sources:
            before = len(known)
            try:
                left = _read(source, aim, known)
            except OSError as error:
                message = f"warm_start: {source.name} cannot be read: {error.strerror or error}"
                raise ValueError(message) from None
            except ValueError as error:
                message = f"warm_start: {source.name}: {error}"
                raise ValueError(message) from None
            reasons += left[:1]
            without = f", {len(left)} left out; the first: {left[0]}" if left else ""
            tell(f"{len(known) - before} individuals known from {source.name}{without}")
        if self._sources and not known:
            message = f"warm_start: {', '.join(source.name for source in self._sources)}: "
            raise ValueError(message + (f"no individual fits; the first: {reasons[0]}" if reasons else "it is empty"))
        return known


def _read(source: Source, aim: Aim, known: list[Individual]) -> list[str]:
    """Add the individuals of a source that fit to `known`, and return for each other one why it does not fit."""
    left, first = [], len(known)
    ids: dict[Id, Id] = {}
    for entry in source.entries(aim):
        ident = Id(0, ELSEWHERE, len(known))
        try:
            individual = _fitted(entry, ident, aim)
        except ValueError as error:
            left.append(str(error))
            continue
        if isinstance(entry, Individual):
            ids[entry.id] = ident
        known.append(individual)
    for place, individual in enumerate(known[first:], first):
        if individual.continues is not None:
            candidate = msgspec.structs.replace(individual.candidate, continues=ids.get(individual.continues))
            known[place] = Individual(candidate, individual.outcome)
    return left


def _fitted(entry: Individual | Row, ident: Id, aim: Aim) -> Individual:
    """Return an individual in the search's space.

    Raises:
        ValueError: The space does not contain these params.
    """
    if isinstance(entry, Row):
        space = aim.space or Space.from_optuna(entry.distributions or {}, asked_for=True)
        outcome = entry.outcome.timed(entry.seconds, entry.ended)
        return Individual(Candidate(ident, entry.genome(space), space), outcome)
    if not aim.space and not entry.space.asked_for:
        entry = as_asked(entry)
    space = aim.space or entry.space
    genome = entry.genome if space is entry.space else translated(entry.genome, entry.space, space)
    candidate = msgspec.structs.replace(entry.candidate, id=ident, genome=genome, space=space, parents=())
    return Individual(candidate, msgspec.structs.replace(entry.outcome, metrics={}, cause="", curve=()))


class Source(Protocol):
    """A source of individuals that were evaluated before."""

    name: str
    """Its name in messages."""
    declaration: Any
    """Its form in YAML."""

    def find(self) -> None:
        """See that what lies in files is there, without reading it.

        Raises:
            ValueError: It is not.
        """

    def entries(self, aim: Aim) -> Iterable[Individual | Row]:
        """Return what was evaluated, with losses that are minimized.

        Raises:
            ValueError: The source cannot be read, or nothing in it is of use.
        """
        ...


# docs/decisions.md, "Integrations register what a warm start can read"
READERS: list[Callable[[Any], Source | None]] = []
"""Functions that return a source of another software's object, or None for any other; integrations add theirs."""
FORMS: list[Callable[..., Source]] = []
"""Kinds of sources that are declared as a mapping in YAML, by its keys; integrations add theirs."""


class _File:
    """A run's folder or a CSV file, whichever lies at the path."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Store the path.

        Raises:
            ValueError: It is a storage's URL, or can be no path.
        """
        self.name = self.declaration = os.fspath(path)
        if "://" in self.name:
            message = f"a storage needs the name of a study, as {{storage: {masked(self.name)}, study: NAME}}"
            raise ValueError(message)
        self._path = user_path(path)
        self.name = self.declaration = str(self._path)
        self._path = self._path.absolute()  # wherever importing the objective goes

    def exists(self) -> bool:
        """Return whether there is anything at the path."""
        return os.path.lexists(self._path)

    def find(self) -> None:
        if not self.exists():
            raise ValueError(_ABSENT)

    def entries(self, aim: Aim) -> Iterable[Individual | Row]:
        path = self._path
        if path.is_dir():
            return _individuals(Run(path), aim)
        if not path.exists():
            raise ValueError(_ABSENT)
        return _table(read_csv(path), aim, as_text=True)


class _Table:
    """A table in memory."""

    def __init__(self, rows: Sequence[Mapping[str, Any]], *, frame: bool = False) -> None:
        self._rows, self._frame = [_flat_row(row) for row in rows], frame
        self.name = self.declaration = f"a table of {len(rows)} rows"

    def find(self) -> None:
        """Do nothing, as it is at hand."""

    def entries(self, aim: Aim) -> Iterable[Row]:
        return _table(self._rows, aim, frame=self._frame)


def _flat_row(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a row with a column for each cell of its mappings, such as model.lr for {"model": {"lr": 0.1}}."""
    if not any(isinstance(cell, Mapping) for cell in row.values()):
        return row
    found: dict[str, Any] = {}
    for column, cell in row.items():
        inside = _flat_row(cell) if isinstance(cell, Mapping) else {"": cell}
        found |= {f"{column}.{name}" if name else str(column): value for name, value in inside.items()}
    return found


def _source(form: Any) -> Source:
    """Return the source that `form` declares.

    Raises:
        ValueError: It declares none.
    """
    if isinstance(form, str | os.PathLike):
        return _File(form)
    for reader in READERS:
        source = reader(form)
        if source is not None:
            return source
    if hasattr(form, "columns") and hasattr(form, "to_dict"):
        return _Table(form.to_dict("records"), frame=True)
    if isinstance(form, Mapping):
        return _built(form)
    if isinstance(form, list | tuple) and _is_table(form):
        return _Table(form)
    message = f"warm_start={masked(repr(form)):.80} must be {_EXAMPLE}"
    raise ValueError(message)


def _known_whole(form: Sequence[Any]) -> bool:
    """Return whether a list as a whole is one source."""
    return any(reader(form) is not None for reader in READERS)


def _built(form: Mapping[str, Any]) -> Source:
    """Build a source of a mapping, by the first kind that accepts its keys.

    Raises:
        ValueError: No kind does.
    """
    for kind in FORMS:
        try:
            return declarations.build(kind, [], form)
        except ValueError as error:
            message = f"{masked(repr(dict(form))):.80}: {masked(str(error))}"
    raise ValueError(message)


def _is_table(form: Sequence[Any]) -> bool:
    """Return whether a list is a table: mappings that declare no storage."""
    return bool(form) and all(isinstance(each, Mapping) and "storage" not in each for each in form)


def _individuals(run: Run, aim: Aim) -> Iterable[Individual]:
    """Yield a run's evaluated individuals on the search's rungs, in the order in which their evaluations ended.

    Raises:
        ValueError: The run has other directions, another metric, or no rung of the search.
    """
    check_directions("it is", run.signs, aim.signs)
    if metric_of(run.config) != aim.metric:
        was, now = (metric or "what the loss returned" for metric in (metric_of(run.config), aim.metric))
        message = f"its losses are {was}, not {now}"
        raise ValueError(message)
    rungs = matching_rungs(run.config.get("fidelity"), aim.fidelity)
    if not rungs:
        message = "it has no rung of this search's fidelity" if aim.fidelity else "it has a fidelity, this search none"
        raise ValueError(message)
    same = aim.space == run.space and len(run.space) > 0
    for individual in sorted(run.individuals(), key=lambda one: (one.ended, one.id)):
        if individual.rung in rungs:
            space = aim.space if same else individual.space
            candidate = msgspec.structs.replace(individual.candidate, space=space, rung=rungs[individual.rung])
            yield Individual(candidate, individual.outcome)


def _table(rows: Sequence[Mapping[str, Any]], aim: Aim, *, as_text: bool = False, frame: bool = False) -> Iterable[Row]:
    """Return the evaluated rows of a table.

    Raises:
        ValueError: The search has a fidelity or no space, or the table does not fit it.
    """
    without_fidelity(aim)
    if not aim.space:
        message = "a table does not tell what its columns mean: the search needs a space"
        raise ValueError(message)
    return read_rows(rows, aim.space, aim.signs, as_text=as_text, frame=frame)


def without_fidelity(aim: Aim) -> None:
    """Check that the search has no fidelity, as such a source does not record the rungs of its losses.

    Raises:
        ValueError: The search has a fidelity.
    """
    if aim.fidelity is not None:
        message = f"it does not tell the {aim.fidelity.name} of a loss: with a fidelity, only the folder of a run does"
        raise ValueError(message)
