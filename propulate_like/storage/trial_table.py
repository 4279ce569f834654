"""Tables of what was evaluated elsewhere, whoever wrote them: their rows as params and outcomes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from math import isclose
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from propulate_like.foundation.console import printable
from propulate_like.foundation.files import read_small
from propulate_like.population.outcome import OK, STOPPED, Outcome, Status
from propulate_like.problem.directions import Signs, directions_of
from propulate_like.problem.parameters import Choice, Float, Int, Ordinal, Parameter
from propulate_like.problem.space import Genome, Space

_LARGEST_BYTES = 1 << 30
_PREFIXES = ("params.", "params_", "")
_UNEVALUATED = ("bred", "running", "waiting")
_STATES = {"complete": OK, "pruned": STOPPED, "fail": Status.ERROR, **{str(status): status for status in Status}}
_LATEST = 1e11  # seconds
_SHOWN = 12  # columns that a message names
_CLOSE = 1e-9  # numbers that were computed by others may differ from ours in their last digits


class Row(NamedTuple):
    """One that was evaluated elsewhere: its params as they were found, and what it came to, to be minimized.

    `blank` names parameters that are None, or do not exist there. `seconds` are 0 where they are not known. The
    `distributions` are Optuna's, where they are known.
    """

    params: Mapping[str, Any]
    outcome: Outcome
    seconds: float = 0.0
    ended: float = 0.0
    blank: frozenset[str] = frozenset()
    distributions: Mapping[str, Any] | None = None

    def genome(self, space: Space) -> Genome:
        """Return the genome of these params; ValueError where the space does not have them."""
        params = dict(self.params)
        for name in params.keys() & space.keys():
            params[name] = value_of(name, space[name], params[name])
        if self.blank:
            genes = [known.encode(params[name]) if name in params else 0.5 for name, known in space.items()]
            active = space.decode(genes)
            params |= {name: None for name in self.blank if name in active}
        return space.encode(params)


def value_of(name: str, parameter: Parameter, given: Any) -> Any:
    """Return the parameter's value that is meant by what was found: a text, say, or a number of another type."""
    if parameter.contains(given):
        return given
    if isinstance(parameter, Choice | Ordinal):
        meant = next((option for option in parameter.options if _means(given, option)), given)
    else:
        meant = _meant(parameter, _number(given))
    if not parameter.contains(meant):
        message = f"{name}: {given!r} is not a value of {parameter!r}"
        raise ValueError(message)
    return meant


def read_csv(path: Path) -> list[dict[str, Any]]:
    """Read a file's rows; ValueError where it is no table, or cannot be read."""
    content = read_small(path, _LARGEST_BYTES)
    try:
        text = content.decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except (ValueError, csv.Error) as error:
        message = f"it is no CSV file: {error}"
        raise ValueError(message) from None
    if "\0" in text or len(content) > _LARGEST_BYTES:
        message = "it is no CSV file, or too large a one"
        raise ValueError(message)
    return rows


def read_rows(table: Sequence[Mapping[str, Any]], space: Space, signs: Signs) -> Iterator[Row]:
    """Return the rows of a table that were evaluated, for a search with values of these signs.

    Parameters are in columns such as params.x, params_x, or x; a column `loss` holds what is minimized, one `value`
    what the loss function returned; of several, loss.0 and the following do, or values_0. ValueError where there are
    no such columns, or a row's loss is no number.
    """
    columns = _Columns.of(table, space, len(signs))
    columns.check_direction(table, signs)
    for number, row in enumerate(table, 1):
        about = {column: cell for column, cell in row.items() if column not in columns.params}
        state = _state(about)
        if state in _UNEVALUATED:
            continue
        found = {name: _cell(row.get(column)) for column, name in columns.params.items()}
        blank = [name for name, cell in found.items() if cell is None and name in space and space[name].contains(None)]
        duration = getattr(about.get("duration"), "total_seconds", float)()  # Optuna's, a Timedelta
        yield Row(
            {name: cell for name, cell in found.items() if cell is not None},
            columns.outcome(number, row, signs, _STATES.get(state, OK)),
            time_of(about.get("seconds")) or time_of(duration),
            time_of(about.get("ended")),
            frozenset(blank),
        )


class _Columns(NamedTuple):
    params: dict[str, str]
    """The columns that hold parameters, and their names."""
    losses: list[str]
    """Those that hold the losses, or the values that the loss function returned."""
    minimized: bool
    """Whether it is losses that they hold."""

    @classmethod
    def of(cls, table: Sequence[Mapping[str, Any]], space: Space, losses: int) -> _Columns:
        """Find the columns that matter, with so many losses."""
        all_of = list(dict.fromkeys(str(column) for row in table for column in row))
        prefix = next((one for one in _PREFIXES if any(one + name in all_of for name in space)), None)
        shown = printable(", ".join(all_of[:_SHOWN])) + ", ..." * (len(all_of) > _SHOWN)
        if not all_of:
            message = "it has no rows"
            raise ValueError(message)
        if prefix is None:
            name = next(iter(space), "x")
            message = f"no column names a parameter, as params.{name}, params_{name} or {name} would; there are {shown}"
            raise ValueError(message)
        params = {
            column: column.removeprefix(prefix)
            for column in all_of
            if (column.startswith(prefix) if prefix else column in space)
        }
        for first, many, minimized in (("loss", "loss.{}", True), ("value", "values_{}", False)):
            names = [many.format(number) for number in range(losses)] if losses > 1 else [first]
            if all(name in all_of and name not in params for name in names):
                more = many.format(losses if losses > 1 else 0)
                if more in all_of:
                    message = f"it has more losses than this search, which has {losses}: there is {more}"
                    raise ValueError(message)
                return cls(params, names, minimized)
        needed = " or ".join(["'loss'", "'value'"] if losses == 1 else ["'loss.0'", "'values_0'"])
        message = f"it has no column {needed}{' and the following' * (losses > 1)}; there are {shown}"
        raise ValueError(message)

    def check_direction(self, table: Sequence[Mapping[str, Any]], signs: Signs) -> None:
        """ValueError where the table tells of another direction, by its values beside losses."""
        if self.losses != ["loss"] or "value" in self.params:
            return
        for row in table:
            loss, value = _number(row.get("loss")), _number(row.get("value"))
            if loss and value and abs(loss) == abs(value):
                check_directions("its values were", (loss / value,), signs)
                return

    def outcome(self, number: int, row: Mapping[str, Any], signs: Signs, status: Status) -> Outcome:
        """Judge a row's losses, of an evaluation that ended so."""
        partition = [_cell(row.get(column)) for column in self.losses]
        if status not in (OK, STOPPED):
            return Outcome(status)
        if None in partition:
            return Outcome.failure(Status.NAN, "no loss is known")
        losses = []
        for column, cell, sign in zip(self.losses, partition, signs):
            loss = _number(cell)
            if loss is None:
                message = f"row {number}: {column}={cell!r:.40} is no number"
                raise ValueError(message)
            losses.append(loss if self.minimized else sign * loss)
        return judged(losses, status)


def check_directions(what: str, were: Signs, signs: Signs) -> None:
    """ValueError where what is known has other directions than the search."""
    if were == signs:
        return
    if len(were) == len(signs) == 1:
        ways = {1.0: "minimized", -1.0: "maximized"}
        message = f"{what} {ways[were[0]]}, and this search's loss is {ways[signs[0]]}"
    else:
        message = f"{what} of directions {directions_of(were)}, and this search of {directions_of(signs)}"
    raise ValueError(message)


def judged(losses: Sequence[float], status: Status) -> Outcome:
    """Return the outcome of an evaluation that ended so, with its losses."""
    outcome = Outcome.of(tuple(losses))
    return msgspec.structs.replace(outcome, status=status) if outcome.status is OK else outcome


def _state(row: Mapping[str, Any]) -> str:
    """Return a row's status, as we or Optuna write it, in small letters."""
    return str(_cell(row.get("status")) or _cell(row.get("state")) or "").rpartition(".")[2].lower()


def _cell(value: Any) -> Any:
    """Return what a cell holds, as Python has it; None where it is empty."""
    value = value.item() if hasattr(value, "item") else value
    empty = (isinstance(value, str) and not value.strip()) or (isinstance(value, float) and value != value)  # noqa: PLR0124
    return None if empty or type(value).__name__ in ("NAType", "NaTType") else value


def _number(value: Any) -> float | None:
    cell = _cell(value)
    try:
        return None if cell is None or isinstance(cell, bool) else float(cell)
    except (TypeError, ValueError):
        return None


def time_of(value: Any) -> float:
    """Return so many seconds, as a journal can hold them; 0 where that is no such number."""
    number = _number(value)
    return number if number is not None and 0.0 < number < _LATEST else 0.0


def _means(given: Any, option: Any) -> bool:
    """Return whether what was found stands for an option."""
    if isinstance(given, str):
        if isinstance(option, bool):
            return given.lower() == str(option).lower()
        if given == str(option):
            return True
    return not isinstance(option, bool | str | None) and _number(given) == option


def _meant(parameter: Parameter, number: float | None) -> float | None:
    """Return the value of a Float or Int that is as good as equal to a number."""
    if number is None or not parameter.levels or not isinstance(parameter, Float):
        return int(number) if isinstance(parameter, Int) and number is not None and number.is_integer() else number
    step = parameter.step or 1.0
    level = round(min(max((number - parameter.low) / step, 0.0), parameter.levels - 1.0))
    value: float = parameter.decode(parameter.gene(level))
    return value if isclose(number, value, rel_tol=_CLOSE, abs_tol=_CLOSE * step) else number
